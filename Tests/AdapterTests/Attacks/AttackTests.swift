import Adapters
import Foundation
import NIOCore
import Testing

@Suite("An attack", .timeLimit(.minutes(15)))
struct AttackTests {
    /// Streams a client may open, in order.
    private static func streams(_ count: Int) -> [UInt32] { (0..<count).map { UInt32($0) * 2 + 1 } }

    private static let filler = String(repeating: "a", count: 4000)

    // MARK: Counted

    private static let floods: [Attack] = [
        .frames("by streams opened and reset at once", .resets, .cutOff(.enhanceYourCalm)) { peer, service in
            let fields = FramePeer.get(service.accountPath, ("authorization", "Bearer \(service.token)"))
            for stream in streams(2000) { try await peer.send(.headers(stream, fields), .reset(stream, 8)) }
        },
        .frames(
            "by overflowing windows", .streamErrors, .cutOff(.enhanceYourCalm),
            ["--http-limits-window-updates", "10000"]
        ) { peer, _ in
            for stream in streams(1000) {
                try await peer.send(
                    .headers(stream, FramePeer.request("POST", "/"), endsStream: false),
                    .windowUpdate(stream, 0x7FFF_FFFF))
            }
        },
        .frames("by bodies longer than they are said to be", .streamErrors, .cutOff(.enhanceYourCalm)) { peer, _ in
            for stream in streams(1000) {
                let fields = FramePeer.request("POST", "/", ("content-length", "1"))
                try await peer.send(.headers(stream, fields, endsStream: false), .data(stream, [1, 2]))
            }
        },
        .frames("by trailers that are none", .streamErrors, .cutOff(.enhanceYourCalm)) { peer, _ in
            for stream in streams(1000) {
                try await peer.send(
                    .headers(stream, FramePeer.request("POST", "/"), endsStream: false),
                    .headers(stream, [(":path", "/")]))
            }
        },
        .frames("by fields that are none", .streamErrors, .cutOff(.enhanceYourCalm)) { peer, _ in
            for stream in streams(1000) { try await peer.send(.headers(stream, FramePeer.get("/", ("X", "y")))) }
        },
        .frames("by PING", .controlFrames, .cutOff(.enhanceYourCalm)) { peer, _ in
            for _ in 0..<10_000 { try await peer.send(.ping()) }
        },
        .frames("by PING, all at once", .controlFrames, .cutOff(.enhanceYourCalm)) { peer, _ in
            try await peer.send(Array(repeating: .ping(), count: 10_000))
        },
        .frames("by SETTINGS", .controlFrames, .cutOff(.enhanceYourCalm)) { peer, _ in
            for _ in 0..<10_000 { try await peer.send(.settings()) }
        },
        .frames("by PRIORITY", .controlFrames, .cutOff(.enhanceYourCalm)) { peer, _ in
            for stream in streams(10_000) { try await peer.send(.priority(stream)) }
        },
        .frames("by frames nobody knows", .overhead, .cutOff(.enhanceYourCalm)) { peer, _ in
            let unknown = FramePeer.Frame(kind: .init(rawValue: 0xFA))
            for _ in 0..<2000 { try await peer.send(Array(repeating: unknown, count: 100)) }
        },
        .frames("by PRIORITY_UPDATE", .overhead, .cutOff(.enhanceYourCalm)) { peer, _ in
            let update = FramePeer.Frame(kind: .priorityUpdate, payload: [0, 0, 0, 1] + Array("u=1".utf8))
            for _ in 0..<1000 { try await peer.send(Array(repeating: update, count: 100)) }
        },
        .frames("by DATA with nothing in it", .emptyData, .cutOff(.enhanceYourCalm)) { peer, _ in
            try await peer.send(.headers(1, FramePeer.request("POST", "/"), endsStream: false))
            for _ in 0..<10_000 { try await peer.send(.data(1, [])) }
        },
        .frames("by DATA with padding alone", .emptyData, .cutOff(.enhanceYourCalm)) { peer, _ in
            try await peer.send(.headers(1, FramePeer.request("POST", "/"), endsStream: false))
            for _ in 0..<10_000 { try await peer.send(.padding(1, count: 1)) }
        },
        .frames("by opening the window by little", .windowUpdates, .cutOff(.enhanceYourCalm)) { peer, _ in
            for _ in 0..<20_000 { try await peer.send(.windowUpdate(0, 1)) }
        },
    ]

    // MARK: Sections of fields

    private static let sections: [Attack] = [
        .frames("by CONTINUATION", .continuations, .cutOff(.enhanceYourCalm)) { peer, _ in
            try await peer.send(.headers(1, section: FramePeer.encode(FramePeer.get("/")), endsSection: false))
            for _ in 0..<20 { try await peer.send(.continuation(1, FramePeer.encode([("a", "b")]))) }
        },
        .frames("by CONTINUATION with nothing in it", .continuations, .cutOff(.enhanceYourCalm)) { peer, _ in
            try await peer.send(.headers(1, section: [], endsSection: false))
            for _ in 0..<20 { try await peer.send(.continuation(1)) }
        },
        .frames("by one large field, referred to again and again", .headerFields, .cutOff(.enhanceYourCalm)) {
            peer, _ in
            let section =
                FramePeer.encode(FramePeer.get("/")) + FramePeer.encodeIndexed("a", filler)
                + Array(repeating: 0xBE, count: 12_000)
            try await peer.send(.headers(1, section: section))
        },
        .frames("by fields with next to nothing in them", .headerFields, .cutOff(.enhanceYourCalm)) { peer, _ in
            let section =
                FramePeer.encode(FramePeer.get("/")) + FramePeer.encodeIndexed("a", "")
                + Array(repeating: 0xBE, count: 15_000)
            try await peer.send(.headers(1, section: section))
        },
        .frames("by crumbs of cookies", .headerFields, .cutOff(.enhanceYourCalm)) { peer, _ in
            // `cookie` is entry 32 of the static table.
            let section = FramePeer.encode(FramePeer.get("/")) + Array(repeating: 0xA0, count: 15_000)
            try await peer.send(.headers(1, section: section))
        },
        .frames("by more fields than anybody needs", .headerFields, .answer(431)) { peer, _ in
            let section = FramePeer.encode(FramePeer.get("/")) + Array(repeating: 0xA0, count: 100)
            try await peer.send(.headers(1, section: section))
        },
        .frames("by large fields on many streams that do not end", .requestBytes, .reset(.refusedStream)) { peer, _ in
            let section =
                FramePeer.encode(FramePeer.request("POST", "/"))
                + FramePeer.encode([("a", String(repeating: "a", count: 15_000))])
            for stream in streams(120) { try await peer.send(.headers(stream, section: section, endsStream: false)) }
        },
        .text("by lines of fields without end", .headerFields, .answer(431)) { peer, _ in
            try await peer.send("GET / HTTP/1.1\r\nHost: localhost\r\n")
            for _ in 0..<1000 { try await peer.send(String(repeating: "a: b\r\n", count: 100)) }
        },
    ]

    // MARK: Slow

    private static let slow: [Attack] = [
        .text("by saying nothing", .handshakeTimeout, .closed, ["--http-timeouts-handshake", "500ms"]) { _, _ in },
        .text("by a preface byte by byte", .handshakeTimeout, .closed, ["--http-timeouts-handshake", "500ms"]) {
            peer, _ in
            for byte in "PRI * HTTP/2.0\r\n\r\nSM\r\n\r" { try await peer.dribble("\(byte)") }
        },
        .text(
            "by a handshake of TLS byte by byte", .handshakeTimeout, .closed, ["--http-timeouts-handshake", "1s"],
            isEncrypted: true
        ) { peer, _ in
            for byte in "\u{16}\u{3}\u{1}" + String(repeating: "\u{1}", count: 40) { try await peer.dribble("\(byte)") }
        },
        .frames(
            "by a section of fields that does not end", .headersTimeout, .cutOff(.protocolError),
            ["--http-timeouts-headers", "500ms"]
        ) { peer, _ in
            try await peer.send(.headers(1, section: FramePeer.encode(FramePeer.get("/")), endsSection: false))
        },
        .text(
            "by a line of fields byte by byte", .headersTimeout, .answer(408), ["--http-timeouts-headers", "500ms"]
        ) { peer, _ in
            try await peer.send("GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
            for _ in 0..<30 { try await peer.dribble("a") }
        },
        .frames(
            "by never acknowledging SETTINGS", .settingsTimeout, .cutOff(.settingsTimeout),
            ["--http-timeouts-settings-ack", "500ms"], acknowledges: false
        ) { _, _ in },
        .frames(
            "by not taking an answer", .slowReader, .reset(.cancel), ["--http-timeouts-write-progress", "500ms"],
            settings: [(4, 0)]
        ) { peer, service in
            let fields = FramePeer.get(service.accountPath, ("authorization", "Bearer \(service.token)"))
            try await peer.send(streams(64).map { .headers($0, fields) })
        },
        .frames(
            "by not taking a stream", .slowReader, .reset(.cancel), ["--http-timeouts-write-progress-bulk", "500ms"],
            settings: [(4, 0)]
        ) { peer, service in
            let fields = FramePeer.get("/v2/billing/stream", ("authorization", "Bearer \(service.token)"))
            try await peer.send(.headers(1, fields))
        },
        .frames(
            "by pinning answers to sections of large fields", .slowReader, .reset(.cancel),
            ["--http-timeouts-write-progress", "500ms"], settings: [(4, 0)]
        ) { peer, _ in
            var section = FramePeer.encode(FramePeer.get("/")) + FramePeer.encodeIndexed("a", filler)
            for stream in streams(64) {
                try await peer.send(.headers(stream, section: section + [0xBE, 0xBE]))
                section = FramePeer.encode(FramePeer.get("/"))
            }
        },
        .frames(
            "by not reading from the socket", .slowReader, .closed,
            ["--http-timeouts-write-progress-bulk", "1500ms", "--sandbox-accounts", "30000"],
            settings: [(4, 0x7FFF_FFFF)]
        ) { peer, service in
            let fields = FramePeer.get("/v2/billing/stream", ("authorization", "Bearer \(service.token)"))
            let before = service.process.count(of: #""reason":"slow-reader""#)
            try await peer.send(.windowUpdate(0, 0x7FFF_0000), .headers(1, fields))
            try await service.process.errors(containing: #""reason":"slow-reader""#, times: before + 1)
        },
    ]

    // MARK: Too many

    private static let crowds: [Attack] = [
        .frames("by more streams than allowed", .protocolErrors, .cutOff(.protocolError)) { peer, _ in
            _ = try await peer.settle()
            for stream in streams(384) {
                try await peer.send(.headers(stream, FramePeer.request("POST", "/"), endsStream: false))
            }
        },
        .frames(
            "by more streams than allowed, before the limit is acknowledged", .streams, .reset(.refusedStream),
            acknowledges: false
        ) { peer, _ in
            try await peer.send(
                streams(150).map { .headers($0, FramePeer.request("POST", "/"), endsStream: false) })
        },
        .text(
            "by more connections than one address may have", .connectionsPerAddress, .closed,
            ["--http-limits-connections-per-address", "5"]
        ) { peer, service in try await crowd(service, peer) },
        .text("by more connections than there may be", .connections, .closed, ["--http-limits-connections", "5"]) {
            peer, service in try await crowd(service, peer)
        },
        .text(
            "by handshakes that are not ended", .handshakes, .closed, ["--http-limits-handshakes", "5"],
            isEncrypted: true
        ) { peer, service in try await crowd(service, peer) },
        // All at once: from one guess to the next a busy machine may take the second that gives one back.
        .text("by guessing tokens", .tokenGuesses, .answer(429)) { peer, service in
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
            "by leaving out the header of the PROXY protocol", .proxyHeader, .closed,
            ["--http-proxy-protocol-trusted", "127.0.0.1"], greeting: "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
        ) { peer, _ in
            try await peer.request("GET", "/")
        },
        .text("by telling of another address without being trusted", .protocolErrors, .closed) { peer, _ in
            try await peer.send("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        },
        .text("by what is no HTTP", .protocolErrors, .closed) { peer, _ in
            try await peer.send("SSH-2.0-OpenSSH_9.2\r\n")
        },
    ]

    /// Connects ten times, of which the last is turned away, and leaves.
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
        "is ended, is counted, costs nothing that stays, and is not felt by others",
        arguments: floods + sections + slow + crowds)
    func row(attack: Attack) async throws {
        let run = try await AttackRun.of(attack)
        #expect(run.bystander.errors == 0)
        #expect(run.bystander.latencies.count > 0)
        #expect(run.hasMemoryComeBack, "\(run.memory) KiB")
    }
}
