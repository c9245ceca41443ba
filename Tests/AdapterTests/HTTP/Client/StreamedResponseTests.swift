import Adapters
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("HTTP client: streamed responses", .timeLimit(.minutes(10)))
struct StreamedResponseTests {
    /// The protocol of a connection.
    enum Wire: String, CaseIterable, CustomTestStringConvertible {
        case http2Clear
        case http2TLS
        case http1Clear
        case http1TLS

        var testDescription: String { rawValue }

        fileprivate var transport: Transport {
            switch self {
            case .http2Clear, .http1Clear: .h2c
            case .http2TLS: .h2
            case .http1TLS: .http1
            }
        }

        fileprivate var isHTTP2: Bool { self == .http2Clear || self == .http2TLS }
    }

    private static func client(_ wire: Wire, port: Int) async throws -> HTTPClient {
        var configuration = HTTPClient.Configuration.longTimeouts
        configuration.clearProtocol = wire.isHTTP2 ? .http2 : .http1
        configuration.tls = try await wire.transport.trust()
        return HTTPClient(
            origin: Origin(scheme: configuration.tls == nil ? .http : .https, host: "127.0.0.1", port: port),
            group: .singleton, configuration: configuration, logger: .silent)
    }

    private static func withServer(
        _ wire: Wire, _ handler: any RequestHandler, _ test: (HTTPClient) async throws -> Void
    ) async throws {
        try await AdapterTests.withServer(handler, tls: try await wire.transport.certificate()) { server in
            let client = try await client(wire, port: server.port)
            try await test(client)
            await client.close()
        }
    }

    /// A client of scripts in clear text, one for each connection.
    private static func withPeer(
        _ wire: Wire, _ scripts: [PeerServer.Script], _ test: (HTTPClient) async throws -> Void
    ) async throws {
        try await PeerServer.with(scripts) { port in
            let client = try await client(wire, port: port)
            try await test(client)
            await client.close()
        }
    }

    private static func request(_ client: HTTPClient, _ target: String) -> ClientRequest {
        ClientRequest(
            method: "GET", scheme: client.origin.scheme.rawValue, authority: client.origin.authority, target: target)
    }

    private static func stream(
        _ client: HTTPClient, _ target: String = "/", silenceMax: TimeAmount = .minutes(5)
    ) async throws -> StreamedResponse {
        try await client.stream(request(client, target), headTimeout: .minutes(5), silenceMax: silenceMax)
    }

    /// Reads a body to its end.
    private static func size(_ body: ResponseBody) async throws -> Int {
        var count = 0
        while let bytes = try await body.next() { count += bytes.readableBytes }
        return count
    }

    /// Reads a response to its end.
    private static func size(of target: String, _ client: HTTPClient) async throws -> Int {
        try await size(stream(client, target).body)
    }

    /// The failure that ends a body; `nil` if it is complete.
    private static func failure(_ body: ResponseBody) async -> HTTPFailure? {
        do throws(HTTPFailure) {
            while try await body.next() != nil {}
            return nil
        } catch {
            return error
        }
    }

    /// The head of an HTTP/2 response with status 200.
    private static func ok(_ stream: UInt32) -> FramePeer.Frame {
        FramePeer.Frame(kind: .headers, flags: 0x4, stream: stream, payload: [0x88])
    }

    // MARK: Heads and bodies

    @Test(
        "the head of a streamed response arrives before its body, and the body is complete", arguments: Wire.allCases)
    func headFirst(wire: Wire) async throws {
        let headArrived = Event<Void>()
        let handler = ScriptedHandler { _ in
            .stream(.text("")) { body in
                _ = try? await headArrived.next()
                for number in 0..<200 {
                    let bytes = ByteBuffer(repeating: UInt8(number), count: 10_000)
                    guard (try? await body.write(bytes)) != nil else { return .broken }
                }
                return .complete
            }
        }
        try await Self.withServer(wire, handler) { client in
            let response = try await Self.stream(client)
            #expect(response.status == 200)
            #expect(response.fields.string(.contentType) == "text/plain")
            headArrived.fire()
            var bytes = ByteBuffer()
            while let piece = try await response.body.next() { bytes.writeImmutableBuffer(piece) }
            let expected = (0..<200).flatMap { [UInt8](repeating: $0, count: 10_000) }
            #expect(Array(bytes.readableBytesView) == expected)
            // The end of the body is read again as the end.
            #expect(try await response.body.next() == nil)
        }
    }

    @Test("a streamed response can be collected up to a limit", arguments: Wire.allCases)
    func collected(wire: Wire) async throws {
        let handler = ScriptedHandler { _ in .now(.text("hello", status: 404)) }
        try await Self.withServer(wire, handler) { client in
            let whole = try await Self.stream(client).collect(bytesMax: 5)
            #expect(whole.status == 404)
            #expect(String(buffer: whole.body) == "hello")
            await #expect(throws: HTTPFailure.tooLarge) {
                _ = try await Self.stream(client).collect(bytesMax: 4)
            }
        }
    }

    @Test("an HTTP/1.1 connection carries the next request after the end of a body, and none before")
    func reuse() async throws {
        let connections = Mutex(0)
        let script = PeerServer.text { peer in
            connections.withLock { $0 += 1 }
            while true {
                _ = try await peer.read(through: "\r\n\r\n")
                try await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
                try await peer.send("hello")
            }
        }
        try await Self.withPeer(.http1Clear, [script, script]) { client in
            let sizes = [try await Self.size(of: "/", client), try await Self.size(of: "/", client)]
            #expect(sizes == [5, 5])
            #expect(connections.withLock { $0 } == 1)
        }
    }

    @Test("a streamed body occupies its HTTP/1.1 connection until its end")
    func occupied() async throws {
        let release = Event<Void>()
        let slow = PeerServer.text { peer in
            _ = try await peer.read(through: "\r\n\r\n")
            try await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
            try await release.next()
            try await peer.send("lo")
            _ = try await peer.untilClosed()
        }
        let other = PeerServer.text { peer in
            _ = try await peer.read(through: "\r\n\r\n")
            try await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")
            _ = try await peer.untilClosed()
        }
        try await Self.withPeer(.http1Clear, [slow, other]) { client in
            let first = try await Self.stream(client)
            let second = try await client.exchange(
                Self.request(client, "/"), bodyBytesMax: 100, timeout: .minutes(5))
            #expect(String(buffer: second.body) == "other")
            release.fire()
            #expect(try await Self.size(first.body) == 5)
        }
    }

    // MARK: Back-pressure

    /// Streams 64 MB, and counts the bytes of `/stalled` that were accepted for sending.
    private static func largeBodies(_ sent: Atomic64) -> ScriptedHandler {
        ScriptedHandler { request in
            let isStalled = request.path.elementsEqual("/stalled".utf8)
            return .stream(.text("")) { body in
                let piece = ByteBuffer(repeating: 1, count: 65_536)
                for _ in 0..<1000 {
                    guard (try? await body.write(piece)) != nil else { return .broken }
                    if isStalled { sent.add(piece.readableBytes) }
                }
                return .complete
            }
        }
    }

    @Test(
        "a stalled reader stops its sender, does not stop other readers, and can continue", arguments: Wire.allCases)
    func stalled(wire: Wire) async throws {
        let sent = Atomic64()
        try await Self.withServer(wire, Self.largeBodies(sent)) { client in
            let stalled = try await Self.stream(client, "/stalled")
            let first = try #require(try await stalled.body.next())
            // On HTTP/2 the other body shares the connection and its window.
            #expect(try await Self.size(of: "/read", client) == 65_536_000)
            // The buffers of two sockets, of the server and of the client.
            #expect(sent.value < 20_000_000, "\(sent.value) bytes were sent to a stalled reader")
            let rest = try await Self.size(stalled.body)
            #expect(first.readableBytes + rest == 65_536_000)
        }
    }

    @Test("HTTP/2: the window of a stream is credited when its bytes are read, and that of the connection at once")
    func windows() async throws {
        let (counted, streamUpdates) = (Event<Void>(), Event<UInt32>())
        let script = PeerServer.frames { peer in
            let stream = try await peer.next(.headers).stream
            try await peer.send(Self.ok(stream))
            // The whole window of the stream.
            for _ in 0..<3 { try await peer.send(.data(stream, Array(repeating: 1, count: 16_384))) }
            try await peer.send(.data(stream, Array(repeating: 1, count: 16_383)))
            // A PING is acknowledged after everything before it, so a credit for the unread bytes would come first.
            try await peer.send(.ping())
            var frame = try await peer.next()
            while !(frame.kind == .ping && frame.isAcknowledgement) {
                #expect(frame.kind != .windowUpdate || frame.stream == 0)
                frame = try await peer.next()
            }
            counted.fire()
            while true {
                frame = try await peer.next(.windowUpdate)
                if frame.stream == stream { break }
            }
            streamUpdates.fire(frame.payload.reduce(0) { $0 << 8 | UInt32($1) })
            try await peer.send(.data(stream, [1], endsStream: true))
            _ = try await peer.untilClosed()
        }
        try await Self.withPeer(.http2Clear, [script]) { client in
            let response = try await Self.stream(client)
            try await counted.next()
            var count = 0
            while count < 65_535 { count += try #require(try await response.body.next()).readableBytes }
            #expect(try await streamUpdates.next() == 65_535)
            #expect(try await Self.size(response.body) == 1)
        }
    }

    @Test("HTTP/2: more stalled readers than the window of a connection has room for do not stop other responses")
    func manyStalled() async throws {
        try await Self.withServer(.http2Clear, Self.largeBodies(Atomic64())) { client in
            var stalled: [StreamedResponse] = []
            for _ in 0..<40 { stalled.append(try await Self.stream(client, "/stalled")) }
            #expect(try await Self.size(of: "/read", client) == 65_536_000)
            for response in stalled { response.body.cancel() }
        }
    }

    // MARK: Truncation

    @Test(
        "an HTTP/1.1 body that is cut off is an error",
        arguments: [
            "Content-Length: 6\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
            // A body without a length, in clear text: its end cannot be distinguished from a lost connection.
            "\r\nhello",
        ])
    func cutOffHTTP1(answer: String) async throws {
        let script = PeerServer.text { peer in
            _ = try await peer.read(through: "\r\n\r\n")
            try await peer.send("HTTP/1.1 200 OK\r\n" + answer)
        }
        try await Self.withPeer(.http1Clear, [script]) { client in
            let failure = await Self.failure(try await Self.stream(client).body)
            #expect(failure == .connectionLost || failure == .malformed)
        }
    }

    @Test("an HTTP/2 body whose stream is reset, whose connection is lost or whose length is wrong is an error")
    func cutOffHTTP2() async throws {
        let reset = PeerServer.frames { peer in
            let stream = try await peer.next(.headers).stream
            try await peer.send(Self.ok(stream), .data(stream, [1, 2, 3]), .reset(stream, 2))
            _ = try await peer.untilClosed()
        }
        try await Self.withPeer(.http2Clear, [reset]) { client in
            let response = try await Self.stream(client)
            #expect(await Self.failure(response.body) == .resetByPeer(.internalError))
        }
        let refused = PeerServer.frames { peer in
            let stream = try await peer.next(.headers).stream
            try await peer.send(Self.ok(stream), .data(stream, [1, 2, 3]), .reset(stream, 7))
            _ = try await peer.untilClosed()
        }
        // The request is not sent again, since its response has begun.
        try await Self.withPeer(.http2Clear, [refused]) { client in
            let response = try await Self.stream(client)
            #expect(await Self.failure(response.body) == .unprocessed)
        }
        let lost = PeerServer.frames { peer in
            let stream = try await peer.next(.headers).stream
            try await peer.send(Self.ok(stream), .data(stream, [1, 2, 3]))
        }
        try await Self.withPeer(.http2Clear, [lost]) { client in
            let response = try await Self.stream(client)
            #expect(await Self.failure(response.body) == .connectionLost)
        }
        let short = PeerServer.frames { peer in
            let stream = try await peer.next(.headers).stream
            // `:status: 200`, and `content-length: 4` as a literal without indexing (entry 28 of the static table).
            let head = FramePeer.Frame(
                kind: .headers, flags: 0x4, stream: stream, payload: [0x88, 0x0F, 13, 1, UInt8(ascii: "4")])
            try await peer.send(head, .data(stream, [1, 2, 3], endsStream: true))
            _ = try await peer.untilClosed()
        }
        try await Self.withPeer(.http2Clear, [short]) { client in
            let response = try await Self.stream(client)
            #expect(await Self.failure(response.body) == .resetByPeer(.protocolError))
        }
    }

    @Test("a streamed response fails if the connection is lost before its head")
    func lostBeforeHead() async throws {
        let script = PeerServer.text { peer in _ = try await peer.read(through: "\r\n\r\n") }
        try await Self.withPeer(.http1Clear, [script]) { client in
            await #expect(throws: HTTPFailure.connectionLost) { _ = try await Self.stream(client) }
        }
    }

    // MARK: Silence

    /// Sends the beginning of a body and nothing more, and reports when the exchange is cancelled.
    private static func silentHandler(cancelled gone: Event<Void>) -> ScriptedHandler {
        ScriptedHandler { _ in
            .stream(.text("")) { body in
                try? await body.write(ByteBuffer(string: "hello"))
                await untilCancelled()
                gone.fire()
                return .broken
            }
        }
    }

    @Test("a silent peer ends a body that is read", arguments: [Wire.http2Clear, .http1Clear])
    func silence(wire: Wire) async throws {
        let gone = Event<Void>()
        let handler = Self.silentHandler(cancelled: gone)
        try await Self.withServer(wire, handler) { client in
            let response = try await Self.stream(client, silenceMax: .milliseconds(50))
            #expect(await Self.failure(response.body) == .timedOut)
            // The stream was reset, or the connection closed.
            try await gone.next()
        }
    }

    @Test("a slow reader does not end a body, however long it pauses", arguments: Wire.allCases)
    func slowReader(wire: Wire) async throws {
        let handler = ScriptedHandler { _ in
            .stream(.text("")) { body in
                for _ in 0..<20 {
                    guard (try? await body.write(ByteBuffer(repeating: 1, count: 5000))) != nil else { return .broken }
                }
                return .complete
            }
        }
        try await Self.withServer(wire, handler) { client in
            let response = try await Self.stream(client, silenceMax: .seconds(5))
            let first = try #require(try await response.body.next())
            try await testEventLoop.scheduleTask(in: .seconds(6)) {}.futureResult.get()
            let rest = try await Self.size(response.body)
            #expect(first.readableBytes + rest == 100_000)
        }
    }

    // MARK: Cancellation

    /// How a reader leaves.
    enum Leaving: String, CaseIterable {
        case cancelledWhileReading
        case cancelledByName
        case released
    }

    @Test(
        "a reader that leaves resets the HTTP/2 stream or closes the HTTP/1.1 connection", arguments: Wire.allCases,
        Leaving.allCases)
    func leaves(wire: Wire, leaving: Leaving) async throws {
        let (began, gone) = (Event<Void>(), Event<Void>())
        let handler = Self.silentHandler(cancelled: gone)
        try await Self.withServer(wire, handler) { client in
            let reader = Task { () -> HTTPFailure? in
                let response = try await Self.stream(client)
                _ = try await response.body.next()
                began.fire()
                switch leaving {
                case .cancelledWhileReading: break
                case .cancelledByName: response.body.cancel()
                case .released: return nil
                }
                return await Self.failure(response.body)
            }
            try await began.next()
            if leaving == .cancelledWhileReading { reader.cancel() }
            let failure = try await reader.value
            #expect(failure == (leaving == .released ? nil : .cancelled))
            try await gone.next()
        }
    }

    @Test("HTTP/2: the streams of all readers that leave are reset, however many they are")
    func manyLeave() async throws {
        let gone = Event<Void>()
        let handler = ScriptedHandler { _ in
            .stream(.text("")) { _ in
                await untilCancelled()
                gone.fire()
                return .broken
            }
        }
        try await Self.withServer(.http2Clear, handler) { client in
            // More than `Limits.cancels`, above which short responses are received and discarded.
            for _ in 0..<60 { _ = try await Self.stream(client) }
            for _ in 0..<60 { try await gone.next() }
        }
    }
}

/// A counter that several tasks share.
private final class Atomic64: Sendable {
    private let count = Atomic(0)

    var value: Int { count.load(ordering: .relaxed) }

    func add(_ more: Int) { count.add(more, ordering: .relaxed) }
}
