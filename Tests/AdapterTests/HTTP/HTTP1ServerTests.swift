import Adapters
import NIOCore
import Synchronization
import Testing

@Suite("A server over HTTP/1.1", .timeLimit(.minutes(1)))
struct HTTP1ServerTests {
    /// Answers with what was asked: method, path, authority and body.
    private static let echo = ScriptedHandler { request in
        .eventually {
            let body = (try? await request.body.collect(bytesMax: 1_000_000)) ?? ByteBuffer(string: "failed")
            let text =
                String(decoding: request.method, as: UTF8.self) + " "
                + String(decoding: request.target, as: UTF8.self) + " "
                + (request.fields.string(.authority) ?? "-") + " " + String(buffer: body)
            var response = HTTPResponse.text(text)
            response.fields.append(.contentLength, text.utf8.count)
            return response
        }
    }

    private static func withPeer(
        _ handler: any RequestHandler = echo, limits: Limits = Limits(), timeouts: Timeouts = .patient,
        _ test: (inout TextPeer) async throws -> Void
    ) async throws {
        try await withServer(handler, limits: limits, timeouts: timeouts) { server in
            try await TextPeer.connected(to: server.port, test)
        }
    }

    @Test("answers one request after another on a connection, until it is asked to close it")
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

    @Test("takes bodies of known length and in chunks")
    func bodies() async throws {
        try await Self.withPeer { peer in
            try await peer.request("POST", "/", "Content-Length: 5", body: "hello")
            #expect(try await peer.response().hasSuffix("POST / localhost hello"))
            try await peer.request(
                "POST", "/", "Transfer-Encoding: chunked", body: "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: no\r\n\r\n")
            #expect(try await peer.response().hasSuffix("POST / localhost hello"))
        }
    }

    @Test("answers requests that come together one at a time and in order")
    func pipelining() async throws {
        let open = Mutex(0)
        let mostOpen = Mutex(0)
        let handler = ScriptedHandler { request in
            let path = String(decoding: request.path, as: UTF8.self)
            return .eventually {
                let now = open.withLock { open in
                    open += 1
                    return open
                }
                mostOpen.withLock { $0 = max($0, now) }
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
            #expect(mostOpen.withLock { $0 } == 1)
        }
    }

    @Test("answers HEAD with the fields of GET and no body, streams included")
    func head() async throws {
        let handler = ScriptedHandler { request in
            if request.path.elementsEqual("/stream".utf8) {
                return .stream(HTTPResponse(status: 200)) { _ in .complete }
            }
            var response = HTTPResponse.text("hello")
            response.fields.append(.contentLength, 5)
            return .now(response)
        }
        try await Self.withPeer(handler) { peer in
            try await peer.request("HEAD", "/")
            #expect(try await peer.read(through: "\r\n\r\n").contains("content-length: 5\r\n"))
            try await peer.request("HEAD", "/stream")
            #expect(try await peer.read(through: "\r\n\r\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
            // Had there been a body, it would stand before this.
            try await peer.request("GET", "/")
            #expect(try await peer.response().hasPrefix("HTTP/1.1 200 OK\r\n"))
        }
    }

    @Test("streams in chunks, and ends a stream so that it can be told from one that broke")
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

    @Test("asks for a body that waits to be asked for when somebody reads it")
    func continues() async throws {
        try await Self.withPeer { peer in
            try await peer.request("POST", "/", "Content-Length: 5", "Expect: 100-Continue")
            #expect(try await peer.read(through: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
            try await peer.send("hello")
            #expect(try await peer.response().hasSuffix("POST / localhost hello"))
        }
    }

    @Test("asks for no body that nobody reads, and closes, since it may come all the same")
    func refusesBody() async throws {
        try await Self.withPeer(ScriptedHandler { _ in .now(.text("no", status: 405)) }) { peer in
            try await peer.request("POST", "/", "Content-Length: 5", "Expect: 100-continue")
            let all = try await peer.untilClosed()
            #expect(all.hasPrefix("HTTP/1.1 405 ") && all.contains("connection: close\r\n"))
        }
    }

    @Test("knows no other expectation")
    func otherExpectation() async throws {
        try await Self.withPeer { peer in
            try await peer.request("GET", "/", "Expect: a miracle")
            #expect(try await peer.read(through: "\r\n\r\n").hasPrefix("HTTP/1.1 417 "))
        }
    }

    @Test("reads a short body nobody wanted for the sake of the connection, and closes on a long one")
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

    // MARK: HTTP/1.0 and upgrades

    @Test("closes after a request of HTTP/1.0, even if it is asked to keep the connection")
    func old() async throws {
        try await Self.withPeer { peer in
            try await peer.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            let all = try await peer.untilClosed()
            #expect(all.contains("connection: close\r\n") && all.contains("GET /a "))
        }
    }

    @Test("streams nothing over HTTP/1.0, where the end of a stream and a cut look alike")
    func oldStream() async throws {
        let handler = ScriptedHandler { _ in .stream(HTTPResponse(status: 200)) { _ in .complete } }
        try await Self.withPeer(handler) { peer in
            try await peer.send("GET / HTTP/1.0\r\n\r\n")
            #expect(try await peer.untilClosed().hasPrefix("HTTP/1.1 505 "))
        }
    }

    @Test("does not change protocols: answers, and closes, since nobody would parse what follows")
    func upgrade() async throws {
        try await Self.withPeer { peer in
            try await peer.request(
                "GET", "/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
            let all = try await peer.untilClosed()
            #expect(all.hasPrefix("HTTP/1.1 200 ") && all.contains("connection: close\r\n"))
        }
    }

    @Test("takes the absolute form of a target for the host that is named, and no other")
    func absoluteForm() async throws {
        try await Self.withPeer { peer in
            try await peer.request("GET", "http://localhost/a?b")
            #expect(try await peer.response().hasSuffix("GET /a?b localhost "))
            try await peer.request("GET", "http://elsewhere/a")
            #expect(try await peer.untilClosed().hasPrefix("HTTP/1.1 400 "))
        }
    }

    // MARK: What is no request

    @Test(
        "refuses what could be read in two ways, and closes",
        arguments: [
            "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nName : value\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nx: a\u{0}b\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nx",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ])
    func malformed(request: String) async throws {
        try await Self.withPeer { peer in
            try await peer.send(request)
            let all = try await peer.untilClosed()
            #expect(all.hasPrefix("HTTP/1.1 400 "), "\(all)")
            #expect(all.ranges(of: "HTTP/1.1 ").count == 1)
        }
    }

    @Test("refuses a head that is too large or has too many fields", arguments: [(1, 20_000), (200, 1)])
    func excessive(count: Int, length: Int) async throws {
        try await Self.withPeer { peer in
            let fields = (0..<count).map { "x-\($0): \(String(repeating: "a", count: length))\r\n" }.joined()
            try await peer.send("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
            #expect(try await peer.untilClosed().hasPrefix("HTTP/1.1 431 "))
        }
    }

    @Test("tells the reader of a body that breaks off in chunks that are none")
    func malformedBody() async throws {
        try await Self.withPeer { peer in
            try await peer.request("POST", "/", "Transfer-Encoding: chunked", body: "5\r\nhello\r\nzz\r\n")
            let all = try await peer.untilClosed()
            #expect(all.hasSuffix("failed") && all.contains("connection: close\r\n"))
        }
    }

    // MARK: Going away

    @Test("cancels the work for a client that goes away")
    func leaves() async throws {
        let started = Event<Void>()
        let cancelled = Event<Void>()
        try await Self.withPeer(ScriptedHandler.waiting(started: started, cancelled: cancelled)) { peer in
            try await peer.request("GET", "/")
            await started.next()
            peer.leave()
            await cancelled.next()
        }
    }
}
