import Adapters
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("HTTP/2 server connection", .timeLimit(.minutes(10)))
struct ServerConnectionTests {
    private static let hello = ScriptedHandler { _ in .now(.text("hello")) }

    @Test("the server sends SETTINGS first and acknowledges the client's")
    func settings() async throws {
        try await withServer(Self.hello) { server in
            try await FramePeer.connected(to: server.port) { peer in
                let first = try await peer.next()
                #expect(first.kind == .settings && !first.isAcknowledgement)
                var frame = try await peer.next()
                while frame.kind == .windowUpdate { frame = try await peer.next() }
                #expect(frame == .settingsAcknowledgement)
            }
        }
    }

    @Test("a response has HEADERS, then DATA with END_STREAM")
    func answer() async throws {
        try await withServer(Self.hello) { server in
            try await FramePeer.connected(to: server.port) { peer in
                try await peer.send(.headers(1, FramePeer.get("/")))
                let headers = try await peer.next(.headers)
                #expect(headers.stream == 1 && !headers.endsStream)
                let data = try await peer.next(.data)
                #expect(data == .data(1, Array("hello".utf8), endsStream: true))
            }
        }
    }

    @Test(
        "a connection with bytes that are not HTTP is closed without a response",
        arguments: [
            "\u{16}\u{3}\u{1}\u{2}\u{0}", "SSH-2.0-x\r\n", "GET / HTTP/2.0\r\n\r\n", "GET /\r\n",
            "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
            "\r\n\r\n", " GET / HTTP/1.1\r\n\r\n",
        ])
    func notHTTP(bytes: String) async throws {
        try await withServer(Self.hello) { server in
            try await FramePeer.unprefaced(to: server.port) { peer in
                try await peer.send(bytes: Array(bytes.utf8))
                #expect(try await peer.untilClosed().isEmpty)
            }
        }
    }

    @Test("resetting a stream cancels its handler and keeps the connection open")
    func reset() async throws {
        let started = Event<Void>()
        let cancelled = Event<Void>()
        let handler = ScriptedHandler.waiting(started: started, cancelled: cancelled)
        try await withServer(handler) { server in
            try await FramePeer.connected(to: server.port) { peer in
                try await peer.send(.headers(1, FramePeer.get("/")))
                try await started.next()
                try await peer.send(.reset(1, 8))
                try await cancelled.next()
                // The connection stays open.
                #expect(try await !peer.settle().contains { $0.kind == .goAway })
            }
        }
    }

    @Test("losing the connection cancels the handlers of all streams")
    func lost() async throws {
        let started = Event<Void>()
        let cancelled = Event<Void>()
        let handler = ScriptedHandler.waiting(started: started, cancelled: cancelled)
        try await withServer(handler) { server in
            try await FramePeer.connected(to: server.port) { peer in
                try await peer.send(.headers(1, FramePeer.get("/")), .headers(3, FramePeer.get("/")))
                try await started.next()
                try await started.next()
            }
            try await cancelled.next()
            try await cancelled.next()
        }
    }

    @Test("a body producer is suspended while the flow-control window is closed and resumes when it opens")
    func backPressure() async throws {
        let written = Mutex(0)
        let chunk = ByteBuffer(repeating: 0x78, count: 1024)
        let handler = ScriptedHandler { _ in
            .stream(HTTPResponse(status: 200)) { body in
                for _ in 0..<200 {
                    do throws(BodyWriter.Closed) { try await body.write(chunk) } catch { return .broken }
                    written.withLock { $0 += 1024 }
                }
                return .complete
            }
        }
        try await withServer(handler) { server in
            // SETTINGS_INITIAL_WINDOW_SIZE 0
            try await FramePeer.connected(to: server.port, settings: [(4, 0)]) { peer in
                try await peer.send(.headers(1, FramePeer.get("/")))
                _ = try await peer.next(.headers)
                // The producer may need several time slices of the event loop.
                while written.withLock({ $0 }) < Limits().streamWriteBytesMax { _ = try await peer.settle() }
                for _ in 0..<10 { _ = try await peer.settle() }
                #expect(written.withLock { $0 } == Limits().streamWriteBytesMax)

                var received = 0
                var ended = false
                var permitted = 0
                try await peer.send(.windowUpdate(0, 1_000_000))
                while !ended {
                    try await peer.send(.windowUpdate(1, 20_000))
                    permitted += 20_000
                    for frame in try await peer.settle() where frame.kind == .data {
                        received += frame.payload.count
                        ended = frame.endsStream
                    }
                    // Not compared with what was received, since bytes may be in transit.
                    let ahead = written.withLock { $0 } - permitted
                    #expect(ahead <= Limits().streamWriteBytesMax + 1024)
                }
                #expect(received == 200 * 1024)
            }
        }
    }

    @Test("a broken body is sent as far as written, then the stream is reset")
    func broken() async throws {
        let handler = ScriptedHandler { _ in
            .stream(HTTPResponse(status: 200)) { body in
                try? await body.write(ByteBuffer(string: "some"))
                return .broken
            }
        }
        try await withServer(handler) { server in
            try await FramePeer.connected(to: server.port) { peer in
                try await peer.send(.headers(1, FramePeer.get("/")))
                #expect(try await peer.next(.data) == .data(1, Array("some".utf8)))
                #expect(try await peer.next(.reset).errorCode == HTTP2ErrorCode.internalError.rawValue)
            }
        }
    }

    @Test("request bodies of any size are read up to the reader's limit, with window credit")
    func requestBody() async throws {
        let handler = ScriptedHandler { request in
            .eventually {
                do throws(HTTPFailure) {
                    return .text("\(try await request.body.collect(bytesMax: 1_000_000).readableBytes)")
                } catch {
                    return .text("\(error)", status: 400)
                }
            }
        }
        var limits = Limits()
        limits.bodyBytesMax = 2_000_000
        try await withServer(handler, limits: limits) { server in
            let client = HTTPClient(
                origin: server.origin, group: .singleton, configuration: .longTimeouts, logger: .silent)
            for count in [1, 65_535, 65_536, 1_000_000] {
                let response = try await client.exchange(
                    ClientRequest(
                        method: "POST", scheme: "http", authority: "localhost", target: "/",
                        body: ByteBuffer(repeating: 0x61, count: count)), bodyBytesMax: 100, timeout: .minutes(5))
                #expect(String(buffer: response.body) == "\(count)")
            }
            let tooLarge = try await client.exchange(
                ClientRequest(
                    method: "POST", scheme: "http", authority: "localhost", target: "/",
                    body: ByteBuffer(repeating: 0x61, count: 1_000_001)), bodyBytesMax: 100, timeout: .minutes(5))
            #expect(tooLarge.status == 400)
            await client.close()
        }
    }

    @Test("a field section above the limit is answered 431 and the connection stays open")
    func excessiveHead() async throws {
        try await withServer(Self.hello) { server in
            let client = HTTPClient(
                origin: server.origin, group: .singleton, configuration: .longTimeouts, logger: .silent)
            var request = ClientRequest(method: "GET", scheme: "http", authority: "localhost", target: "/")
            let small = request
            request.fields.append(.userAgent, String(repeating: "a", count: 20_000))
            let refused = try await client.exchange(request, bodyBytesMax: 100, timeout: .minutes(5))
            #expect(refused.status == 431)
            let answered = try await client.exchange(small, bodyBytesMax: 100, timeout: .minutes(5))
            #expect(answered.status == 200)
            await client.close()
        }
    }

    @Test("a field section far above the limit closes the connection with ENHANCE_YOUR_CALM")
    func floodedHead() async throws {
        try await withServer(Self.hello) { server in
            try await FramePeer.connected(to: server.port) { peer in
                let crumb = FramePeer.encode([("cookie", "a=b")])
                let fields = FramePeer.encode(FramePeer.get("/")) + Array(repeating: crumb, count: 1900).joined()
                var frames = fields.chunks(of: 16_000).map {
                    FramePeer.Frame(kind: .continuation, stream: 1, payload: $0)
                }
                frames[0].kind = .headers
                for frame in frames { try? await peer.send(frame) }
                let goAway = try await peer.untilClosed().first { $0.kind == .goAway }
                #expect(goAway == nil || goAway?.errorCode == HTTP2ErrorCode.enhanceYourCalm.rawValue)
            }
        }
    }

    @Test("field sections that arrive in pieces are not mixed with those of other connections")
    func interruptedHead() async throws {
        let echo = ScriptedHandler { request in .now(.text(request.fields.string(.referer) ?? "none")) }
        // One event loop, so that the connections take turns.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = try await HTTPServer(
            host: "127.0.0.1", port: 0, group: group, handler: echo, configuration: .test(), logger: .silent)
        try await withServices([server]) {
            try await FramePeer.connected(to: server.port) { interrupted in
                try await FramePeer.connected(to: server.port) { other in
                    let fields = [("referer", "interrupted"), ("cookie", String(repeating: "a", count: 1500))]
                    let section = FramePeer.encode(FramePeer.get("/") + fields)
                    for (index, cut) in stride(from: 1, to: section.count, by: 37).enumerated() {
                        let stream = UInt32(2 * index + 1)
                        try await interrupted.send(
                            .headers(stream, section: Array(section.prefix(cut)), endsSection: false))
                        try await other.send(.headers(stream, FramePeer.get("/") + [("referer", "other")]))
                        #expect(try await other.next(.data) == .data(stream, Array("other".utf8), endsStream: true))
                        try await interrupted.send(
                            .continuation(stream, Array(section.dropFirst(cut)), endsSection: true))
                        let answer = try await interrupted.next(.data)
                        #expect(answer == .data(stream, Array("interrupted".utf8), endsStream: true))
                    }
                }
            }
        }
        try await group.shutdownGracefully()
    }

    @Test("a drain sends two GOAWAYs and answers requests received before the second")
    func drain() async throws {
        let started = Event<Void>()
        let release = Event<Void>()
        let handler = ScriptedHandler { _ in
            .eventually {
                started.fire()
                try? await release.next()
                return .text("done")
            }
        }
        var limits = Limits()
        // So long that the PING acknowledgement, not the timer, ends the first step, even on a slow machine.
        limits.drainNoticeMax = .minutes(1)
        let server = try await HTTPServer(
            host: "127.0.0.1", port: 0, group: .singleton, handler: handler,
            configuration: .test(limits: limits, grace: .seconds(10)), logger: .silent)
        let port = server.port
        try await FramePeer.connected(to: port) { peer in
            try await withServices([server]) {
                try await peer.send(.headers(1, FramePeer.get("/")))
                try await started.next()
                _ = try await peer.settle()
            } whileEnding: {
                let notice = try await peer.next(.goAway)
                #expect(notice.lastStream == 0x7FFF_FFFF && notice.errorCode == 0)
                let ping = try await peer.next(.ping)
                // A request sent before the client received the first GOAWAY.
                try await peer.send(.headers(3, FramePeer.get("/")))
                try await started.next()
                try await peer.send(.ping(ping.payload, isAcknowledgement: true))
                let goAway = try await peer.next(.goAway)
                #expect(goAway.lastStream == 3 && goAway.errorCode == 0)
                release.fire()
                release.fire()
                let rest = try await peer.untilClosed()
                #expect(Set(rest.filter { $0.endsStream }.map(\.stream)) == [1, 3])
            }
        }
    }
}

extension [UInt8] {
    func chunks(of size: Int) -> [[UInt8]] {
        stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
    }
}
