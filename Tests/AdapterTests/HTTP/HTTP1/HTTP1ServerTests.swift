import Adapters
import NIOCore
import Synchronization
import Testing

@Suite("HTTP/1.1 server", .timeLimit(.minutes(10)))
struct HTTP1ServerTests {
    private static func withPeer(
        _ handler: any RequestHandler = ScriptedHandler.echo, limits: Limits = Limits(),
        timeouts: Timeouts = .longTimeouts,
        _ test: (inout TextPeer) async throws -> Void
    ) async throws {
        try await withServer(handler, limits: limits, timeouts: timeouts) { server in
            try await TextPeer.connected(to: server.port, test)
        }
    }

    @Test("a connection serves several requests until the client sends Connection: close")
    func keepAlive() async throws {
        try await Self.withPeer { peer in
            for path in ["/one", "/two?x=1"] {
                try await peer.request("GET", path)
                let response = try await peer.response()
                #expect(response.hasPrefix("HTTP/1.1 200 OK\r\n") && response.hasSuffix("GET \(path) localhost "))
                #expect(!response.contains("connection:"))
            }
            try await peer.request("GET", "/three", "Connection: Close")
            let last = try await peer.untilClosed()
            #expect(last.contains("connection: close\r\n") && last.hasSuffix("GET /three localhost "))
        }
    }

    @Test("bodies with Content-Length and chunked bodies are read")
    func bodies() async throws {
        try await Self.withPeer { peer in
            try await peer.request("POST", "/", "Content-Length: 5", body: "hello")
            #expect(try await peer.response().hasSuffix("POST / localhost hello"))
            try await peer.request(
                "POST", "/", "Transfer-Encoding: chunked", body: "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: no\r\n\r\n")
            #expect(try await peer.response().hasSuffix("POST / localhost hello"))
        }
    }

    @Test("pipelined requests are processed one at a time and answered in order")
    func pipelining() async throws {
        let open = Mutex(0)
        let openMax = Mutex(0)
        let handler = ScriptedHandler { request in
            let path = String(decoding: request.path, as: UTF8.self)
            return .eventually {
                let now = open.withLock { open in
                    open += 1
                    return open
                }
                openMax.withLock { $0 = max($0, now) }
                await Task.yield()
                open.withLock { $0 -= 1 }
                var response = HTTPResponse.text(path)
                response.fields.append(.contentLength, path.utf8.count)
                return response
            }
        }
        try await Self.withPeer(handler) { peer in
            let requests = (0..<20).map { "GET /\($0) HTTP/1.1\r\nHost: localhost\r\n\r\n" }
            try await peer.send(requests.joined())
            for number in 0..<20 { #expect(try await peer.response().hasSuffix("\r\n\r\n/\(number)")) }
            #expect(openMax.withLock { $0 } == 1)
        }
    }

    @Test("HEAD gets the fields of GET and no body, also for streams")
    func head() async throws {
        let handler = ScriptedHandler { request in
            @Sendable func write(_ body: BodyWriter) async -> StreamEnding {
                try? await body.write(ByteBuffer(string: "a body"))
                return .complete
            }
            if request.path.elementsEqual("/stream".utf8) { return .stream(HTTPResponse(status: 200), write) }
            if request.path.elementsEqual("/later".utf8) {
                return .eventuallyStreamed { .stream(HTTPResponse(status: 200), write) }
            }
            var response = HTTPResponse.text("hello")
            response.fields.append(.contentLength, 5)
            return .now(response)
        }
        try await Self.withPeer(handler) { peer in
            try await peer.request("HEAD", "/")
            #expect(try await peer.read(through: "\r\n\r\n").contains("content-length: 5\r\n"))
            for path in ["/stream", "/later"] {
                try await peer.request("HEAD", path)
                #expect(try await peer.read(through: "\r\n\r\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
            }
            // A body of the HEAD responses would precede this response.
            try await peer.request("GET", "/")
            #expect(try await peer.response().hasPrefix("HTTP/1.1 200 OK\r\n"))
        }
    }

    @Test("streams are chunked, and only a complete stream ends with the last chunk")
    func streams() async throws {
        let handler = ScriptedHandler { request in
            let isBroken = request.path.elementsEqual("/broken".utf8)
            return .stream(HTTPResponse(status: 200)) { body in
                try? await body.write(ByteBuffer(string: "first"))
                try? await body.write(ByteBuffer(string: "second"))
                return isBroken ? .broken : .complete
            }
        }
        try await Self.withPeer(handler) { peer in
            try await peer.request("GET", "/")
            let head = try await peer.read(through: "\r\n\r\n")
            #expect(head.contains("transfer-encoding: chunked\r\n"))
            #expect(try await peer.read(through: "0\r\n\r\n").contains("first"))
            try await peer.request("GET", "/broken")
            let broken = try await peer.untilClosed()
            #expect(broken.contains("second") && !broken.hasSuffix("0\r\n\r\n"))
        }
    }

    // MARK: Expectations

    @Test("100 Continue is sent when the handler reads the body")
    func continues() async throws {
        try await Self.withPeer { peer in
            try await peer.request("POST", "/", "Content-Length: 5", "Expect: 100-Continue")
            #expect(try await peer.read(through: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
            try await peer.send("hello")
            #expect(try await peer.response().hasSuffix("POST / localhost hello"))
        }
    }

    @Test("without a reader of the body, 100 Continue is not sent and the connection closes")
    func refusesBody() async throws {
        try await Self.withPeer(ScriptedHandler { _ in .now(.text("no", status: 405)) }) { peer in
            try await peer.request("POST", "/", "Content-Length: 5", "Expect: 100-continue")
            let all = try await peer.untilClosed()
            #expect(all.hasPrefix("HTTP/1.1 405 ") && all.contains("connection: close\r\n"))
        }
    }

    @Test("an unread short body is discarded to keep the connection, and an unread long body closes it")
    func unread() async throws {
        try await Self.withPeer(
            ScriptedHandler { _ in
                var response = HTTPResponse.text("no")
                response.fields.append(.contentLength, 2)
                return .now(response)
            }
        ) { peer in
            try await peer.request("POST", "/", "Content-Length: 5", body: "hello")
            #expect(try await !peer.response().contains("connection: close"))
            try await peer.request("POST", "/", "Content-Length: 70000", body: "hello")
            #expect(try await peer.untilClosed().contains("connection: close\r\n"))
        }
    }

    @Test(
        "a stream requested over HTTP/1.0 is answered 426 with Upgrade",
        arguments: [
            "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            "GET / HTTP/1.0\r\nUpgrade: HTTP/1.1\r\nConnection: upgrade\r\n\r\n", "HEAD / HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}",
        ])
    func oldStream(request: String) async throws {
        let handler = ScriptedHandler { _ in .stream(HTTPResponse(status: 200)) { _ in .complete } }
        try await Self.withPeer(handler) { peer in
            try await peer.send(request)
            let all = try await peer.untilClosed()
            #expect(all.hasPrefix("HTTP/1.1 426 Upgrade Required\r\n"))
            // RFC 9110, 7.8 and 15.5.22.
            #expect(all.contains("\r\nupgrade: HTTP/1.1\r\n") && all.contains("\r\nconnection: close, upgrade\r\n"))
            #expect(!all.contains("transfer-encoding"))
        }
    }

    @Test("a malformed chunk makes the handler's read fail and closes the connection")
    func malformedBody() async throws {
        try await Self.withPeer { peer in
            try await peer.request("POST", "/", "Transfer-Encoding: chunked", body: "5\r\nhello\r\nzz\r\n")
            let all = try await peer.untilClosed()
            #expect(all.hasSuffix("failed") && all.contains("connection: close\r\n"))
        }
    }

    // MARK: Disconnection

    @Test("the handler is cancelled when the client disconnects")
    func leaves() async throws {
        let started = Event<Void>()
        let cancelled = Event<Void>()
        try await Self.withPeer(ScriptedHandler.waiting(started: started, cancelled: cancelled)) { peer in
            try await peer.request("GET", "/")
            try await started.next()
            peer.leave()
            try await cancelled.next()
        }
    }
}
