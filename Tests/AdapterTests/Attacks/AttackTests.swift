import Adapters
import Foundation
import NIOCore
import Testing

@Suite("Attacks", .timeLimit(.minutes(15)))
struct AttackTests {
    /// The first stream identifiers of a client, in ascending order.
    private static func streams(_ count: Int) -> [UInt32] { (0..<count).map { UInt32($0) * 2 + 1 } }

    private static let filler = String(repeating: "a", count: 4000)

    // MARK: Floods

    private static let floods: [Attack] = [
        .frames("rapid reset: streams opened and reset at once", .resets, .cutOff(.enhanceYourCalm)) { peer, service in
            let fields = FramePeer.get(service.accountPath, ("authorization", "Bearer \(service.token)"))
            for stream in streams(2000) { try await peer.send(.headers(stream, fields), .reset(stream, 8)) }
        },
        .frames(
            "WINDOW_UPDATE that overflows the flow-control window", .streamErrors, .cutOff(.enhanceYourCalm),
            ["--http-limits-window-updates", "10000"]
        ) { peer, _ in
            for stream in streams(1000) {
                try await peer.send(
                    .headers(stream, FramePeer.request("POST", "/"), endsStream: false),
                    .windowUpdate(stream, 0x7FFF_FFFF))
            }
        },
        .frames("bodies longer than their Content-Length", .streamErrors, .cutOff(.enhanceYourCalm)) { peer, _ in
            for stream in streams(1000) {
                let fields = FramePeer.request("POST", "/", ("content-length", "1"))
                try await peer.send(.headers(stream, fields, endsStream: false), .data(stream, [1, 2]))
            }
        },
        .frames("trailers with a pseudo-header field", .streamErrors, .cutOff(.enhanceYourCalm)) { peer, _ in
            for stream in streams(1000) {
                try await peer.send(
                    .headers(stream, FramePeer.request("POST", "/"), endsStream: false),
                    .headers(stream, [(":path", "/")]))
            }
        },
        .frames("field names with upper-case letters", .streamErrors, .cutOff(.enhanceYourCalm)) { peer, _ in
            for stream in streams(1000) { try await peer.send(.headers(stream, FramePeer.get("/", ("X", "y")))) }
        },
        .frames("PING flood", .controlFrames, .cutOff(.enhanceYourCalm)) { peer, _ in
            for _ in 0..<10_000 { try await peer.send(.ping()) }
        },
        .frames("PING flood in one write", .controlFrames, .cutOff(.enhanceYourCalm)) { peer, _ in
            try await peer.send(Array(repeating: .ping(), count: 10_000))
        },
        .frames("SETTINGS flood", .controlFrames, .cutOff(.enhanceYourCalm)) { peer, _ in
            for _ in 0..<10_000 { try await peer.send(.settings()) }
        },
        .frames("PRIORITY flood", .controlFrames, .cutOff(.enhanceYourCalm)) { peer, _ in
            for stream in streams(10_000) { try await peer.send(.priority(stream)) }
        },
        .frames("frames of unknown type", .overhead, .cutOff(.enhanceYourCalm)) { peer, _ in
            let unknown = FramePeer.Frame(kind: .init(rawValue: 0xFA))
            for _ in 0..<2000 { try await peer.send(Array(repeating: unknown, count: 100)) }
        },
        .frames("PRIORITY_UPDATE flood", .overhead, .cutOff(.enhanceYourCalm)) { peer, _ in
            let update = FramePeer.Frame(kind: .priorityUpdate, payload: [0, 0, 0, 1] + Array("u=1".utf8))
            for _ in 0..<1000 { try await peer.send(Array(repeating: update, count: 100)) }
        },
        .frames("empty DATA frames", .emptyData, .cutOff(.enhanceYourCalm)) { peer, _ in
            try await peer.send(.headers(1, FramePeer.request("POST", "/"), endsStream: false))
            for _ in 0..<10_000 { try await peer.send(.data(1, [])) }
        },
        .frames("DATA frames of padding only", .emptyData, .cutOff(.enhanceYourCalm)) { peer, _ in
            try await peer.send(.headers(1, FramePeer.request("POST", "/"), endsStream: false))
            for _ in 0..<10_000 { try await peer.send(.padding(1, count: 1)) }
        },
        .frames("WINDOW_UPDATE by one byte each", .windowUpdates, .cutOff(.enhanceYourCalm)) { peer, _ in
            for _ in 0..<20_000 { try await peer.send(.windowUpdate(0, 1)) }
        },
    ]

    // MARK: Field sections

    private static let sections: [Attack] = [
        .frames("CONTINUATION flood", .continuations, .cutOff(.enhanceYourCalm)) { peer, _ in
            try await peer.send(.headers(1, section: FramePeer.encode(FramePeer.get("/")), endsSection: false))
            for _ in 0..<20 { try await peer.send(.continuation(1, FramePeer.encode([("a", "b")]))) }
        },
        .frames("empty CONTINUATION frames", .continuations, .cutOff(.enhanceYourCalm)) { peer, _ in
            try await peer.send(.headers(1, section: [], endsSection: false))
            for _ in 0..<20 { try await peer.send(.continuation(1)) }
        },
        .frames("HPACK bomb: one large field referenced many times", .headerFields, .cutOff(.enhanceYourCalm)) {
            peer, _ in
            let section =
                FramePeer.encode(FramePeer.get("/")) + FramePeer.encodeIndexed("a", filler)
                + Array(repeating: 0xBE, count: 12_000)
            try await peer.send(.headers(1, section: section))
        },
        .frames("an almost empty field referenced many times", .headerFields, .cutOff(.enhanceYourCalm)) { peer, _ in
            let section =
                FramePeer.encode(FramePeer.get("/")) + FramePeer.encodeIndexed("a", "")
                + Array(repeating: 0xBE, count: 15_000)
            try await peer.send(.headers(1, section: section))
        },
        .frames("thousands of cookie fields", .headerFields, .cutOff(.enhanceYourCalm)) { peer, _ in
            // `cookie` is entry 32 of the static table.
            let section = FramePeer.encode(FramePeer.get("/")) + Array(repeating: 0xA0, count: 15_000)
            try await peer.send(.headers(1, section: section))
        },
        .frames("more fields than the limit", .headerFields, .answer(431)) { peer, _ in
            let section = FramePeer.encode(FramePeer.get("/")) + Array(repeating: 0xA0, count: 100)
            try await peer.send(.headers(1, section: section))
        },
        .frames("large fields on many unfinished streams", .requestBytes, .reset(.refusedStream)) { peer, _ in
            let section =
                FramePeer.encode(FramePeer.request("POST", "/"))
                + FramePeer.encode([("a", String(repeating: "a", count: 15_000))])
            for stream in streams(120) { try await peer.send(.headers(stream, section: section, endsStream: false)) }
        },
        .text("HTTP/1.1 field lines without end", .headerFields, .answer(431)) { peer, _ in
            try await peer.send("GET / HTTP/1.1\r\nHost: localhost\r\n")
            for _ in 0..<1000 { try await peer.send(String(repeating: "a: b\r\n", count: 100)) }
        },
    ]

    // MARK: Slow

    private static let slow: [Attack] = [
        .text("a connection that sends nothing", .handshakeTimeout, .closed, ["--http-timeouts-handshake", "500ms"]) {
            _, _ in
        },
        .text("HTTP/2 preface byte by byte", .handshakeTimeout, .closed, ["--http-timeouts-handshake", "500ms"]) {
            peer, _ in
            for byte in "PRI * HTTP/2.0\r\n\r\nSM\r\n\r" { try await peer.dribble("\(byte)") }
        },
        .text(
            "TLS handshake byte by byte", .handshakeTimeout, .closed, ["--http-timeouts-handshake", "1s"],
            isEncrypted: true
        ) { peer, _ in
            for byte in "\u{16}\u{3}\u{1}" + String(repeating: "\u{1}", count: 40) { try await peer.dribble("\(byte)") }
        },
        .frames(
            "a field section that never ends", .headersTimeout, .cutOff(.protocolError),
            ["--http-timeouts-headers", "500ms"]
        ) { peer, _ in
            try await peer.send(.headers(1, section: FramePeer.encode(FramePeer.get("/")), endsSection: false))
        },
        .text(
            "HTTP/1.1 field line byte by byte", .headersTimeout, .answer(408), ["--http-timeouts-headers", "500ms"]
        ) { peer, _ in
            try await peer.send("GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
            for _ in 0..<30 { try await peer.dribble("a") }
        },
        .frames(
            "SETTINGS never acknowledged", .settingsTimeout, .cutOff(.settingsTimeout),
            ["--http-timeouts-settings-ack", "500ms"], acknowledges: false
        ) { _, _ in },
        .frames(
            "flow-control window of 0 for responses", .slowReader, .reset(.cancel),
            ["--http-timeouts-write-progress", "500ms"],
            settings: [(4, 0)]
        ) { peer, service in
            let fields = FramePeer.get(service.accountPath, ("authorization", "Bearer \(service.token)"))
            try await peer.send(streams(64).map { .headers($0, fields) })
        },
        .frames(
            "flow-control window of 0 for a bulk stream", .slowReader, .reset(.cancel),
            ["--http-timeouts-write-progress-bulk", "500ms"],
            settings: [(4, 0)]
        ) { peer, service in
            let fields = FramePeer.get("/v2/billing/stream", ("authorization", "Bearer \(service.token)"))
            try await peer.send(.headers(1, fields))
        },
        .frames(
            "large field sections with unread responses", .slowReader, .reset(.cancel),
            ["--http-timeouts-write-progress", "500ms"], settings: [(4, 0)]
        ) { peer, _ in
            var section = FramePeer.encode(FramePeer.get("/")) + FramePeer.encodeIndexed("a", filler)
            for stream in streams(64) {
                try await peer.send(.headers(stream, section: section + [0xBE, 0xBE]))
                section = FramePeer.encode(FramePeer.get("/"))
            }
        },
        .frames(
            "a socket that is never read", .slowReader, .closed,
            ["--http-timeouts-write-progress-bulk", "1500ms", "--sandbox-accounts", "30000"],
            settings: [(4, 0x7FFF_FFFF)]
        ) { peer, service in
            let fields = FramePeer.get("/v2/billing/stream", ("authorization", "Bearer \(service.token)"))
            let before = service.process.count(of: #""reason":"slow-reader""#)
            try await peer.send(.windowUpdate(0, 0x7FFF_0000), .headers(1, fields))
            try await service.process.errors(containing: #""reason":"slow-reader""#, times: before + 1)
        },
    ]

    // MARK: Limits

    private static let crowds: [Attack] = [
        .frames("more streams than the limit", .protocolErrors, .cutOff(.protocolError)) { peer, _ in
            _ = try await peer.settle()
            for stream in streams(384) {
                try await peer.send(.headers(stream, FramePeer.request("POST", "/"), endsStream: false))
            }
        },
        .frames(
            "more streams than the limit before SETTINGS is acknowledged", .streams, .reset(.refusedStream),
            acknowledges: false
        ) { peer, _ in
            try await peer.send(
                streams(150).map { .headers($0, FramePeer.request("POST", "/"), endsStream: false) })
        },
        .text(
            "more connections than the limit for one address", .connectionsPerAddress, .closed,
            ["--http-limits-connections-per-address", "5"]
        ) { peer, service in try await crowd(service, peer) },
        .text("more connections than the limit", .connections, .closed, ["--http-limits-connections", "5"]) {
            peer, service in try await crowd(service, peer)
        },
        .text(
            "unfinished TLS handshakes", .handshakes, .closed, ["--http-limits-handshakes", "5"],
            isEncrypted: true
        ) { peer, service in try await crowd(service, peer) },
        // Sent in one write: on a busy machine, single guesses may be a second apart, which refills the token bucket.
        .text("guesses of access tokens", .tokenGuesses, .answer(429)) { peer, service in
            let guess = "GET \(service.accountPath) HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer wrong\r\n"
            let guesses = 120
            let all = String(repeating: guess + "\r\n", count: guesses) + guess + "Connection: close\r\n\r\n"
            try await peer.send(all)
            for _ in 0..<guesses {
                let answer = try await peer.response()
                #expect(answer.hasPrefix("HTTP/1.1 401 ") || answer.hasPrefix("HTTP/1.1 429 "))
            }
        },
        .text(
            "missing PROXY protocol header", .proxyHeader, .closed,
            ["--http-proxy-protocol-trusted", "127.0.0.1"], greeting: "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
        ) { peer, _ in
            try await peer.request("GET", "/")
        },
        .text("PROXY protocol header from an untrusted peer", .protocolErrors, .closed) { peer, _ in
            try await peer.send("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        },
        .text("a protocol other than HTTP", .protocolErrors, .closed) { peer, _ in
            try await peer.send("SSH-2.0-OpenSSH_9.2\r\n")
        },
    ]

    /// Opens ten more connections; the last of them is refused. Then closes this one.
    private static func crowd(_ service: RunningService, _ peer: borrowing TextPeer) async throws {
        try await join(10, service)
        peer.leave()
    }

    private static func join(_ count: Int, _ service: RunningService) async throws {
        try await TextPeer.connected(to: service.port) { peer in
            if count == 1 { _ = try await peer.untilClosed() } else { try await join(count - 1, service) }
        }
    }

    @Test(
        "the server stops the attack, counts it, frees its memory, and keeps answering other clients",
        arguments: floods + sections + slow + crowds)
    func row(attack: Attack) async throws {
        let run = try await AttackRun.of(attack)
        #expect(run.bystander.errors == 0)
        #expect(run.bystander.latencies.count > 0)
        #expect(run.isMemoryStable, "\(run.memory) KiB")
    }
}
