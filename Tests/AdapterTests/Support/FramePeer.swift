import Adapters
import NIOCore

/// An HTTP/2 peer that sends and receives single frames, so that a test reads like a wire trace.
///
///     try await peer.send(.headers(1, FramePeer.get("/"), endsStream: true))
///     #expect(try await peer.next(.headers).stream == 1)
struct FramePeer: ~Copyable {
    struct Frame: Equatable, CustomStringConvertible {
        /// A frame type. Any number is possible, so that tests can send unknown types.
        struct Kind: RawRepresentable, Equatable {
            var rawValue: UInt8

            static let data = Kind(rawValue: 0)
            static let headers = Kind(rawValue: 1)
            static let priority = Kind(rawValue: 2)
            static let reset = Kind(rawValue: 3)
            static let settings = Kind(rawValue: 4)
            static let pushPromise = Kind(rawValue: 5)
            static let ping = Kind(rawValue: 6)
            static let goAway = Kind(rawValue: 7)
            static let windowUpdate = Kind(rawValue: 8)
            static let continuation = Kind(rawValue: 9)
            /// RFC 9218, 7.1.
            static let priorityUpdate = Kind(rawValue: 16)
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

        var description: String { "\(kind.rawValue) on \(stream), flags \(flags), \(payload.count) bytes" }

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
            headers(stream, section: FramePeer.encode(fields), endsStream: endsStream)
        }

        /// - Parameter endsSection: Whether no CONTINUATION follows.
        static func headers(
            _ stream: UInt32, section: [UInt8], endsStream: Bool = true, endsSection: Bool = true
        ) -> Frame {
            Frame(
                kind: .headers, flags: (endsSection ? 4 : 0) | (endsStream ? 1 : 0), stream: stream, payload: section)
        }

        static func continuation(_ stream: UInt32, _ section: [UInt8] = [], endsSection: Bool = false) -> Frame {
            Frame(kind: .continuation, flags: endsSection ? 4 : 0, stream: stream, payload: section)
        }

        static func priority(_ stream: UInt32, dependsOn other: UInt32 = 0) -> Frame {
            Frame(kind: .priority, stream: stream, payload: bytes(of: other) + [16])
        }

        /// A DATA frame with padding only.
        static func padding(_ stream: UInt32, count: UInt8 = 255) -> Frame {
            Frame(kind: .data, flags: 0x8, stream: stream, payload: [count] + Array(repeating: 0, count: Int(count)))
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

    /// The peer closed the connection before it sent the expected bytes.
    struct ConnectionClosed: Error {}

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var received = ByteBuffer()

    /// Connects, sends the preface and `settings`, runs the test, and closes.
    ///
    /// - Parameter acknowledges: Whether to acknowledge the server's SETTINGS.
    static func connected(
        to port: Int, tls: TLSContext? = nil, settings: [(id: UInt16, value: UInt32)] = [], acknowledges: Bool = true,
        _ test: (inout FramePeer) async throws -> Void
    ) async throws {
        try await unprefaced(to: port, tls: tls) { peer in
            try await peer.send(bytes: preface)
            try await peer.send(.settings(settings))
            if acknowledges { try await peer.send(.settingsAcknowledgement) }
            try await test(&peer)
        }
    }

    /// Connects without sending the preface, runs the test, and closes.
    static func unprefaced(
        to port: Int, tls: TLSContext? = nil, _ test: (inout FramePeer) async throws -> Void
    ) async throws {
        try await withConnection(to: port, tls: tls) { _, inbound, outbound in
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

    /// For servers: reads the client's preface, then sends SETTINGS and their acknowledgement.
    mutating func greet(settings: [(id: UInt16, value: UInt32)] = []) async throws {
        while received.readableBytes < Self.preface.count {
            guard let bytes = try await inbound.next(isolation: #isolation) else { throw ConnectionClosed() }
            received.writeImmutableBuffer(bytes)
        }
        received.moveReaderIndex(forwardBy: Self.preface.count)
        try await send(.settings(settings), .settingsAcknowledgement)
    }

    /// Answers a request with status 200 and this body.
    func answer(_ stream: UInt32, _ text: String) async throws {
        // `:status: 200` is entry 8 of HPACK's static table.
        try await send(
            Frame(kind: .headers, flags: 0x4, stream: stream, payload: [0x88]),
            .data(stream, Array(text.utf8), endsStream: true))
    }

    func send(_ frames: Frame...) async throws {
        try await send(frames)
    }

    func send(_ frames: [Frame]) async throws {
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

    /// Waits 50 ms.
    func pause() async throws {
        try await testEventLoop.scheduleTask(in: .milliseconds(50)) {}.futureResult.get()
    }

    func send(bytes: [UInt8]) async throws {
        try await outbound.write(ByteBuffer(bytes: bytes))
    }

    /// The next frame of any type.
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

    /// The next frame of this kind. Skips other kinds, and acknowledgements.
    mutating func next(_ kind: Frame.Kind) async throws -> Frame {
        while true {
            let frame = try await next()
            if frame.kind == kind, !frame.isAcknowledgement { return frame }
        }
    }

    /// Sends a PING and returns the frames received before its acknowledgement. The peer has then processed all earlier
    /// frames.
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
        guard received.readableBytes >= 9 + count else { return nil }
        let kind = Frame.Kind(rawValue: head[3])
        received.moveReaderIndex(forwardBy: 9)
        let stream = head[5..<9].reduce(0) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
        return Frame(kind: kind, flags: head[4], stream: stream, payload: received.readBytes(length: count) ?? [])
    }

    /// The fields of a request, pseudo-header fields first.
    static func request(_ method: String, _ path: String, _ fields: (String, String)...) -> [(String, String)] {
        [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path)] + fields
    }

    static func get(_ path: String, _ fields: (String, String)...) -> [(String, String)] {
        request("GET", path) + fields
    }

    /// HPACK literals without indexing (RFC 7541, 6.2.2).
    static func encode(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { [0] + text($0.0) + text($0.1) }
    }

    /// An HPACK literal with incremental indexing (RFC 7541, 6.2.1). The newest entry has index 62.
    static func encodeIndexed(_ name: String, _ value: String) -> [UInt8] {
        [0x40] + text(name) + text(value)
    }

    /// A string literal without Huffman coding (RFC 7541, 5.2).
    private static func text(_ text: String) -> [UInt8] {
        integer(text.utf8.count, prefixBits: 7) + Array(text.utf8)
    }

    /// An integer (RFC 7541, 5.1) with the bits before its prefix set to 0.
    static func integer(_ number: Int, prefixBits: Int) -> [UInt8] {
        let full = 1 << prefixBits - 1
        guard number >= full else { return [UInt8(number)] }
        var bytes = [UInt8(full)]
        var rest = number - full
        while rest >= 128 {
            bytes.append(UInt8(rest % 128 + 128))
            rest /= 128
        }
        return bytes + [UInt8(rest)]
    }
}
