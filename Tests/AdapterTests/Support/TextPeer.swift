import Adapters
import NIOCore

/// A peer that sends and receives plain bytes.
struct TextPeer: ~Copyable {
    /// The peer closed the connection after it had sent `received`.
    struct ConnectionClosed: Error { let received: String }

    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var received = ByteBuffer()
    private var channel: (any Channel)?

    static func connected(
        to port: Int, tls: TLSContext? = nil, _ test: (inout TextPeer) async throws -> Void
    ) async throws {
        try await withConnection(to: port, tls: tls) { channel, inbound, outbound in
            var peer = TextPeer(inbound: inbound, outbound: outbound)
            peer.channel = channel
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

    func send(_ text: String) async throws {
        try await outbound.write(ByteBuffer(string: text))
    }

    /// Sends text, then waits 50 ms.
    func dribble(_ text: String) async throws {
        try await send(text)
        try await testEventLoop.scheduleTask(in: .milliseconds(50)) {}.futureResult.get()
    }

    /// Sends a request with `Host` and these field lines.
    func request(_ method: String, _ path: String, _ fields: String..., body: String = "") async throws {
        let fields = fields.map { $0 + "\r\n" }.joined()
        try await send("\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n\(body)")
    }

    /// Reads up to and including `text`.
    ///
    /// - Throws: `ConnectionClosed` if the connection closes first.
    mutating func read(through text: String) async throws -> String {
        while true {
            let all = String(buffer: received)
            if let range = all.firstRange(of: text) {
                let taken = String(all[..<range.upperBound])
                received.moveReaderIndex(forwardBy: taken.utf8.count)
                return taken
            }
            guard try await more() else { throw ConnectionClosed(received: all) }
        }
    }

    /// Reads a response with a Content-Length or without a body.
    mutating func response() async throws -> String {
        let head = try await read(through: "\r\n\r\n")
        let length = head.lowercased().firstMatch(of: /content-length: (\d+)/).flatMap { Int($0.output.1) } ?? 0
        while received.readableBytes < length {
            guard try await more() else { throw ConnectionClosed(received: head + String(buffer: received)) }
        }
        return head + (received.readString(length: length) ?? "")
    }

    /// Reads until the peer closes the connection.
    mutating func untilClosed() async throws -> String {
        while try await more() {}
        return String(buffer: received)
    }

    /// Closes the connection.
    func leave() {
        channel?.close(promise: nil)
    }

    private mutating func more() async throws -> Bool {
        do {
            guard let bytes = try await inbound.next(isolation: #isolation) else { return false }
            received.writeImmutableBuffer(bytes)
            return true
        } catch is IOError {
            return false
        }
    }
}
