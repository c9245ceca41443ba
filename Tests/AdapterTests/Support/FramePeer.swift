import NIOCore

/// A peer that speaks HTTP/2 frame by frame, so that a test reads like a trace of the wire.
///
///     try await peer.send(.headers(1, FramePeer.get("/"), endsStream: true))
///     #expect(try await peer.next(.headers).stream == 1)
struct FramePeer: ~Copyable {
    struct Frame: Equatable, CustomStringConvertible {
        enum Kind: UInt8 {
            case data = 0
            case headers = 1
            case priority = 2
            case reset = 3
            case settings = 4
            case pushPromise = 5
            case ping = 6
            case goAway = 7
            case windowUpdate = 8
            case continuation = 9
        }

        var kind: Kind
        var flags: UInt8 = 0
        var stream: UInt32 = 0
        var payload: [UInt8] = []

        var endsStream: Bool { (kind == .data || kind == .headers) && flags & 0x1 != 0 }
        var isAcknowledgement: Bool { (kind == .settings || kind == .ping) && flags & 0x1 != 0 }

        /// The error code of RST_STREAM or GOAWAY.
        var errorCode: UInt32? {
            switch kind {
            case .reset: Self.word(payload, at: 0)
            case .goAway: Self.word(payload, at: 4)
            default: nil
            }
        }

        /// The last stream of a GOAWAY.
        var lastStream: UInt32? { kind == .goAway ? Self.word(payload, at: 0) : nil }

        var description: String { "\(kind) on \(stream), flags \(flags), \(payload.count) bytes" }

        private static func word(_ bytes: [UInt8], at offset: Int) -> UInt32? {
            guard bytes.count >= offset + 4 else { return nil }
            return bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }

        static func bytes(of word: UInt32) -> [UInt8] {
            [UInt8(word >> 24), UInt8(word >> 16 & 0xFF), UInt8(word >> 8 & 0xFF), UInt8(word & 0xFF)]
        }

        static func settings(_ entries: [(id: UInt16, value: UInt32)] = []) -> Frame {
            Frame(
                kind: .settings,
                payload: entries.flatMap { [UInt8($0.id >> 8), UInt8($0.id & 0xFF)] + bytes(of: $0.value) })
        }

        static let settingsAcknowledgement = Frame(kind: .settings, flags: 1)

        static func ping(_ payload: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8], isAcknowledgement: Bool = false) -> Frame {
            Frame(kind: .ping, flags: isAcknowledgement ? 1 : 0, payload: payload)
        }

        static func headers(_ stream: UInt32, _ fields: [(String, String)], endsStream: Bool = true) -> Frame {
            Frame(kind: .headers, flags: 0x4 | (endsStream ? 1 : 0), stream: stream, payload: FramePeer.encode(fields))
        }

        static func data(_ stream: UInt32, _ bytes: [UInt8], endsStream: Bool = false) -> Frame {
            Frame(kind: .data, flags: endsStream ? 1 : 0, stream: stream, payload: bytes)
        }

        static func reset(_ stream: UInt32, _ code: UInt32) -> Frame {
            Frame(kind: .reset, stream: stream, payload: bytes(of: code))
        }

        static func goAway(lastStream: UInt32, _ code: UInt32 = 0) -> Frame {
            Frame(kind: .goAway, payload: bytes(of: lastStream) + bytes(of: code))
        }

        static func windowUpdate(_ stream: UInt32, _ increment: UInt32) -> Frame {
            Frame(kind: .windowUpdate, stream: stream, payload: bytes(of: increment))
        }
    }

    /// The peer closed the connection instead of sending what was awaited.
    struct ConnectionClosed: Error {}

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var received = ByteBuffer()

    /// Connects, sends the preface and `settings`, runs the test, and closes.
    ///
    /// - Parameter acknowledges: Whether the server's SETTINGS, which are on their way by now, are acknowledged.
    static func connected(
        to port: Int, settings: [(id: UInt16, value: UInt32)] = [], acknowledges: Bool = true,
        _ test: (inout FramePeer) async throws -> Void
    ) async throws {
        try await unprefaced(to: port) { peer in
            try await peer.send(bytes: preface)
            try await peer.send(.settings(settings))
            if acknowledges { try await peer.send(.settingsAcknowledgement) }
            try await test(&peer)
        }
    }

    /// Connects and sends nothing.
    static func unprefaced(to port: Int, _ test: (inout FramePeer) async throws -> Void) async throws {
        try await withConnection(to: port) { _, inbound, outbound in
            var peer = FramePeer(inbound: inbound, outbound: outbound)
            try await test(&peer)
        }
    }

    init(
        inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
        self.inbound = inbound
        self.outbound = outbound
    }

    /// For a server: takes the client's preface, and says what a server says first.
    mutating func greet(settings: [(id: UInt16, value: UInt32)] = []) async throws {
        while received.readableBytes < Self.preface.count {
            guard let bytes = try await inbound.next(isolation: #isolation) else { throw ConnectionClosed() }
            received.writeImmutableBuffer(bytes)
        }
        received.moveReaderIndex(forwardBy: Self.preface.count)
        try await send(.settings(settings), .settingsAcknowledgement)
    }

    /// Answers a request with status 200 and that body.
    func answer(_ stream: UInt32, _ text: String) async throws {
        // `:status: 200` is entry 8 of HPACK's static table.
        try await send(
            Frame(kind: .headers, flags: 0x4, stream: stream, payload: [0x88]),
            .data(stream, Array(text.utf8), endsStream: true))
    }

    func send(_ frames: Frame...) async throws {
        var bytes = ByteBuffer()
        for frame in frames {
            let count = frame.payload.count
            bytes.writeBytes([UInt8(count >> 16), UInt8(count >> 8 & 0xFF), UInt8(count & 0xFF)])
            bytes.writeBytes([frame.kind.rawValue, frame.flags])
            bytes.writeInteger(frame.stream)
            bytes.writeBytes(frame.payload)
        }
        try await outbound.write(bytes)
    }

    func send(bytes: [UInt8]) async throws {
        try await outbound.write(ByteBuffer(bytes: bytes))
    }

    /// The next frame, whatever it is.
    ///
    /// - Throws: `ConnectionClosed`.
    mutating func next() async throws -> Frame {
        while true {
            if let frame = takeFrame() { return frame }
            do {
                guard let bytes = try await inbound.next(isolation: #isolation) else { throw ConnectionClosed() }
                received.writeImmutableBuffer(bytes)
            } catch is IOError {
                throw ConnectionClosed()
            }
        }
    }

    /// The next frame of that kind, others passed over; acknowledgements are, too.
    mutating func next(_ kind: Frame.Kind) async throws -> Frame {
        while true {
            let frame = try await next()
            if frame.kind == kind, !frame.isAcknowledgement { return frame }
        }
    }

    /// Sends a PING and returns what came before its answer: the peer has then done all it does at once.
    mutating func settle() async throws -> [Frame] {
        try await send(.ping())
        var frames: [Frame] = []
        while true {
            let frame = try await next()
            if frame.kind == .ping, frame.isAcknowledgement { return frames }
            frames.append(frame)
        }
    }

    /// Reads until the peer closes the connection.
    mutating func untilClosed() async throws -> [Frame] {
        var frames: [Frame] = []
        do {
            while true { frames.append(try await next()) }
        } catch is ConnectionClosed {
            return frames
        }
    }

    private mutating func takeFrame() -> Frame? {
        guard let head = received.getBytes(at: received.readerIndex, length: 9) else { return nil }
        let count = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
        guard received.readableBytes >= 9 + count, let kind = Frame.Kind(rawValue: head[3]) else { return nil }
        received.moveReaderIndex(forwardBy: 9)
        let stream = head[5..<9].reduce(0) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
        return Frame(kind: kind, flags: head[4], stream: stream, payload: received.readBytes(length: count) ?? [])
    }

    /// The pseudo-header fields of a request.
    static func request(_ method: String, _ path: String) -> [(String, String)] {
        [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path)]
    }

    static func get(_ path: String) -> [(String, String)] { request("GET", path) }

    /// HPACK's plainest form: literals that are not indexed (RFC 7541, 6.2.2), for texts below 127 bytes.
    static func encode(_ fields: [(String, String)]) -> [UInt8] {
        var bytes: [UInt8] = []
        for (name, value) in fields {
            bytes.append(0)
            for text in [name, value] {
                bytes.append(UInt8(text.utf8.count))
                bytes.append(contentsOf: text.utf8)
            }
        }
        return bytes
    }
}
