import Adapters
import NIOCore
import NIOPosix
import Testing

/// The server's timeouts, set to tenths of a second so that tests are fast.
@Suite("Server timeouts", .timeLimit(.minutes(10)))
struct DeadlineTests {
    private static let short = TimeAmount.milliseconds(200)
    /// For timeouts before which the client must act, even on a busy machine.
    private static let long = TimeAmount.seconds(3)

    private static func timeouts(_ change: (inout Timeouts) -> Void) -> Timeouts {
        var timeouts = Timeouts.longTimeouts
        change(&timeouts)
        return timeouts
    }

    /// By path: waits until cancelled, reads the body, streams without end, or answers at once.
    private static let handler = ScriptedHandler { request in
        switch String(decoding: request.path, as: UTF8.self) {
        case "/wait":
            return .eventually {
                await untilCancelled()
                return .text("too late")
            }
        case "/read":
            return .eventually {
                do throws(HTTPFailure) {
                    return .text(String(buffer: try await request.body.collect(bytesMax: 1000)))
                } catch {
                    return error == .timedOut ? .text("timedOut", status: 408) : .text("\(error)", status: 400)
                }
            }
        case "/stream":
            return .stream(HTTPResponse(status: 200)) { body in
                let bytes = ByteBuffer(repeating: 0x61, count: 65_536)
                while (try? await body.write(bytes)) != nil {}
                return .broken
            }
        default: return .now(.text("hello"))
        }
    }

    // MARK: HTTP/2

    private static func withFramePeer(
        settings: [(id: UInt16, value: UInt32)] = [], limits: Limits = Limits(), _ timeouts: Timeouts,
        _ test: (inout FramePeer) async throws -> Void
    ) async throws {
        try await withServer(handler, limits: limits, timeouts: timeouts) { server in
            try await FramePeer.connected(to: server.port, settings: settings, test)
        }
    }

    @Test("a connection that sends no complete first line is closed after the handshake timeout")
    func handshake() async throws {
        try await withServer(Self.handler, timeouts: Self.timeouts { $0.handshake = Self.short }) { server in
            try await TextPeer.connected(to: server.port) { peer in
                let all = try await peer.untilClosed()
                #expect(all.isEmpty)
            }
            try await TextPeer.connected(to: server.port) { peer in
                // The server may have closed the connection already.
                try? await peer.send("GET / HT")
                let all = try await peer.untilClosed()
                #expect(all.isEmpty)
            }
        }
    }

    @Test("an unfinished TLS handshake is closed after the handshake timeout")
    func tlsHandshake() async throws {
        try await withServer(
            Self.handler, timeouts: Self.timeouts { $0.handshake = Self.short },
            tls: try await Transport.h2.certificate()
        ) { server in
            try await TextPeer.connected(to: server.port) { peer in
                try await peer.send("\u{16}\u{3}\u{1}")
                #expect(try await peer.untilClosed().isEmpty)
            }
        }
    }

    @Test("a client that does not acknowledge SETTINGS gets GOAWAY(SETTINGS_TIMEOUT)")
    func settings() async throws {
        let timeouts = Self.timeouts { $0.settingsAcknowledgement = Self.short }
        try await withServer(Self.handler, timeouts: timeouts) { server in
            try await FramePeer.connected(to: server.port, acknowledges: false) { peer in
                let frames = try await peer.untilClosed()
                #expect(frames.last { $0.kind == .goAway }?.errorCode == 4)
            }
        }
    }

    @Test("an unfinished HTTP/2 field section closes the connection after the header timeout")
    func headers() async throws {
        try await Self.withFramePeer(Self.timeouts { $0.headers = Self.short }) { peer in
            var begun = FramePeer.Frame.headers(1, FramePeer.get("/"))
            begun.flags = 1
            try await peer.send(begun)
            let frames = try await peer.untilClosed()
            #expect(frames.last { $0.kind == .goAway }?.errorCode == 1)
        }
    }

    @Test("an idle HTTP/2 connection is drained and closed")
    func idle() async throws {
        try await Self.withFramePeer(Self.timeouts { $0.idle = Self.long }) { peer in
            try await peer.send(.headers(1, FramePeer.get("/")))
            // The PING of the drain does not count as a request.
            let frames = try await peer.untilClosed()
            let answers = frames.filter(\.endsStream)
            let goAways = frames.filter { $0.kind == .goAway }
            #expect(answers.map(\.stream) == [1])
            #expect(goAways.map(\.errorCode) == [0, 0] && goAways.last?.lastStream == 1)
        }
    }

    @Test("a silent client with an open request gets PINGs, and stays connected while it acknowledges them")
    func keepalive() async throws {
        try await Self.withFramePeer(Self.timeouts { $0.keepalive = Self.short }) { peer in
            try await peer.send(.headers(1, FramePeer.get("/wait")))
            for _ in 0..<3 {
                let ping = try await peer.next(.ping)
                try await peer.send(.ping(ping.payload, isAcknowledgement: true))
            }
        }
    }

    @Test("a client that does not acknowledge a PING is disconnected")
    func keepaliveAnswer() async throws {
        try await Self.withFramePeer(
            Self.timeouts {
                $0.keepalive = Self.short
                // Long enough to receive the PING before the close, even on a busy machine.
                $0.keepaliveAnswer = .seconds(1)
            }
        ) { peer in
            try await peer.send(.headers(1, FramePeer.get("/wait")))
            let frames = try await peer.untilClosed()
            #expect(frames.contains { $0.kind == .ping && !$0.isAcknowledgement })
        }
    }

    @Test("a response that makes no write progress is reset, and other streams continue")
    func writeProgress() async throws {
        try await Self.withFramePeer(
            settings: [(4, 0)], Self.timeouts { $0.writeProgress = Self.short }
        ) { peer in
            try await peer.send(.headers(1, FramePeer.get("/")), .headers(3, FramePeer.get("/stream")))
            let reset = try await peer.next(.reset)
            #expect(reset.stream == 1 && reset.errorCode == HTTP2ErrorCode.cancel.rawValue)
            // A bulk stream has a longer timeout, so it is still open.
            try await peer.send(.windowUpdate(3, 100))
            #expect(try await peer.next(.data).stream == 3)
        }
    }

    @Test("a bulk stream that makes no write progress is reset after the bulk timeout")
    func writeProgressBulk() async throws {
        try await Self.withFramePeer(
            settings: [(4, 0)], Self.timeouts { $0.writeProgressBulk = Self.short }
        ) { peer in
            try await peer.send(.headers(1, FramePeer.get("/stream")))
            #expect(try await peer.next(.reset).errorCode == HTTP2ErrorCode.cancel.rawValue)
        }
    }

    @Test("a reader that pauses keeps its bulk stream until the bulk timeout, without PING acknowledgements")
    func paused() async throws {
        let timeouts = Self.timeouts {
            $0.keepalive = .milliseconds(50)
            $0.keepaliveAnswer = .milliseconds(50)
            $0.writeProgressBulk = .seconds(1)
        }
        try await Self.withFramePeer(settings: [(4, 0)], timeouts) { peer in
            try await peer.send(.headers(1, FramePeer.get("/stream")))
            #expect(try await peer.next(.headers).stream == 1)
            #expect(try await peer.next() == .reset(1, HTTP2ErrorCode.cancel.rawValue))
        }
    }

    @Test("an HTTP/2 client that does not read its socket is disconnected")
    func unreadSocket() async throws {
        try await withServer(Self.handler, timeouts: Self.timeouts { $0.writeProgressBulk = Self.short }) { server in
            // The largest flow-control window, and the client never reads.
            let client = TestProcess(
                "python3",
                [
                    "-c",
                    """
                    import socket, struct, sys
                    s = socket.create_connection(("127.0.0.1", \(server.port)))
                    s.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n")
                    s.sendall(b"\\0\\0\\6\\4\\0\\0\\0\\0\\0" + struct.pack(">HI", 4, 0x7fffffff))
                    s.sendall(b"\\0\\0\\4\\x08\\0\\0\\0\\0\\0" + struct.pack(">I", 0x7fff0000))
                    s.sendall(b"\\0\\0\\0\\4\\1\\0\\0\\0\\0")
                    s.sendall(b"\\0\\0\\x0c\\1\\5\\0\\0\\0\\1" + b"\\x82\\x86\\x04\\x07/stream\\x41" + b"\\0")
                    print("requested", flush=True)
                    # Detects the close without reading.
                    import select
                    poll = select.poll()
                    poll.register(s, select.POLLRDHUP)
                    print("closed" if poll.poll(30000) else "open", flush=True)
                    """,
                ])
            let output = try await client.output(containing: "closed\n")
            #expect(output.contains("requested"))
            _ = await client.outcome()
        }
    }

    @Test("a request body that pauses too long makes the handler's read time out", arguments: ["", "half"])
    func bodySilence(body: String) async throws {
        try await Self.withFramePeer(Self.timeouts { $0.bodySilence = Self.short }) { peer in
            try await peer.send(.headers(1, FramePeer.request("POST", "/read"), endsStream: false))
            if !body.isEmpty { try await peer.send(.data(1, Array(body.utf8))) }
            #expect(try await peer.next(.headers).payload.count > 0)
            #expect(try await peer.next(.data) == .data(1, Array("timedOut".utf8), endsStream: true))
            // The server does not need the rest of the body.
            #expect(try await peer.next(.reset).errorCode == 0)
        }
    }

    @Test("a request body below the minimum rate makes the handler's read time out")
    func bodyRate() async throws {
        try await Self.withFramePeer(Self.timeouts { $0.bodyRateGrace = Self.short }) { peer in
            try await peer.send(.headers(1, FramePeer.request("POST", "/read"), endsStream: false))
            try await peer.send(.data(1, [1]))
            #expect(try await peer.next(.data) == .data(1, Array("timedOut".utf8), endsStream: true))
        }
    }

    @Test("a handler that exceeds the request timeout is cancelled, and the response is 504")
    func request() async throws {
        try await withServer(Self.handler, timeouts: Self.timeouts { $0.request = Self.short }) { server in
            try await TextPeer.connected(to: server.port) { peer in
                try await peer.request("GET", "/wait")
                #expect(try await peer.read(through: "\r\n\r\n").hasPrefix("HTTP/1.1 504 "))
            }
            let client = HTTPClient(
                origin: server.origin, group: .singleton, configuration: .longTimeouts, logger: .silent)
            let request = ClientRequest(
                method: "GET", scheme: "http", authority: "localhost", target: "/wait")
            #expect(try await client.exchange(request, bodyBytesMax: 100, timeout: .minutes(5)).status == 504)
            await client.close()
        }
    }

    @Test("a connection at its maximum age is drained, and its open requests are answered")
    func age() async throws {
        try await Self.withFramePeer(Self.timeouts { $0.connectionAge = Self.long }) { peer in
            try await peer.send(.headers(1, FramePeer.request("POST", "/read"), endsStream: false))
            #expect(try await peer.next(.goAway).lastStream == 0x7FFF_FFFF)
            let ping = try await peer.next(.ping)
            try await peer.send(.ping(ping.payload, isAcknowledgement: true))
            #expect(try await peer.next(.goAway).lastStream == 1)
            try await peer.send(.data(1, Array("late".utf8), endsStream: true))
            let rest = try await peer.untilClosed()
            #expect(rest.contains(.data(1, Array("late".utf8), endsStream: true)))
        }
    }

    @Test("an HTTP/2 connection is drained after its maximum number of requests")
    func requests() async throws {
        var limits = Limits()
        limits.requestsPerConnectionMax = 2
        try await Self.withFramePeer(limits: limits, .longTimeouts) { peer in
            try await peer.send(.headers(1, FramePeer.get("/")))
            #expect(try await !peer.settle().contains { $0.kind == .goAway })
            try await peer.send(.headers(3, FramePeer.get("/")))
            #expect(try await peer.next(.goAway).errorCode == 0)
        }
    }

    // MARK: HTTP/1.1

    private static func withTextPeer(
        limits: Limits = Limits(), _ timeouts: Timeouts, _ test: (inout TextPeer) async throws -> Void
    ) async throws {
        try await withServer(handler, limits: limits, timeouts: timeouts) { server in
            try await TextPeer.connected(to: server.port, test)
        }
    }

    @Test(
        "an unfinished HTTP/1.1 head is answered 408 after the header timeout",
        arguments: ["GET / HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.1\r\nHo"])
    func http1Headers(begun: String) async throws {
        try await Self.withTextPeer(Self.timeouts { $0.headers = Self.short }) { peer in
            try await peer.send(begun)
            #expect(try await peer.untilClosed().hasPrefix("HTTP/1.1 408 "))
        }
    }

    @Test("an idle HTTP/1.1 connection is closed")
    func http1Idle() async throws {
        try await Self.withTextPeer(Self.timeouts { $0.idle = Self.long }) { peer in
            try await peer.request("GET", "/")
            let all = try await peer.untilClosed()
            #expect(all.hasSuffix("hello") && !all.contains("connection: close"))
        }
    }

    @Test("an HTTP/1.1 body that pauses too long makes the handler's read time out, and the connection closes")
    func http1BodySilence() async throws {
        try await Self.withTextPeer(Self.timeouts { $0.bodySilence = Self.short }) { peer in
            try await peer.request("POST", "/read", "Content-Length: 10", body: "half")
            let all = try await peer.untilClosed()
            #expect(all.hasPrefix("HTTP/1.1 408 ") && all.hasSuffix("timedOut"))
        }
    }

    @Test(
        "at the maximum age or number of requests, the last HTTP/1.1 response has Connection: close",
        arguments: [true, false])
    func http1Age(isOld: Bool) async throws {
        var limits = Limits()
        if !isOld { limits.requestsPerConnectionMax = 2 }
        // So long that the drain does not end before the next request arrives, even on a busy machine.
        limits.drainNoticeMax = .minutes(1)
        let timeouts = Self.timeouts { if isOld { $0.connectionAge = Self.short } }
        try await Self.withTextPeer(limits: limits, timeouts) { peer in
            for _ in 0..<10_000_000 {
                try await peer.request("GET", "/")
                let response = try await peer.response()
                guard response.contains("connection: close") else { continue }
                #expect(response.hasSuffix("hello"))
                #expect(try await peer.untilClosed().isEmpty)
                return
            }
            Issue.record("no response has Connection: close")
        }
    }

    @Test("an HTTP/1.1 client that does not read its response is disconnected")
    func http1Unread() async throws {
        let ended = Event<Void>()
        let handler = ScriptedHandler { _ in
            .stream(HTTPResponse(status: 200)) { body in
                let bytes = ByteBuffer(repeating: 0x61, count: 65_536)
                while (try? await body.write(bytes)) != nil {}
                ended.fire()
                return .broken
            }
        }
        try await withServer(handler, timeouts: Self.timeouts { $0.writeProgressBulk = Self.short }) { server in
            let client = TestProcess(
                "python3",
                [
                    "-c",
                    """
                    import socket, sys
                    s = socket.create_connection(("127.0.0.1", \(server.port)))
                    s.sendall(b"GET /stream HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
                    sys.stdin.read()
                    import time
                    time.sleep(60)
                    """,
                ])
            try await ended.next()
            client.signal(15)
            _ = await client.outcome()
        }
    }
}
