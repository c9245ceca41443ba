import Adapters
import Foundation
import Logging
import Synchronization
import Testing

@Suite("A record of the log", .timeLimit(.minutes(1)))
struct OneLineLogHandlerTests {
    private static func record(_ message: String, _ fields: [String: String]) -> String {
        let lines = Mutex<[String]>([])
        let logger = Logger(label: "test") { _ in
            OneLineLogHandler(LineLogHandler { line in lines.withLock { $0.append(line) } })
        }
        logger.info("\(message)", metadata: fields.mapValues { "\($0)" })
        return lines.withLock { $0.joined(separator: "|") }
    }

    @Test(
        "shows what would end its line, colour a terminal or turn its direction",
        arguments: [
            ("a\nb", "a\\u{a}b"), ("a\r\nb", "a\\u{d}\\u{a}b"), ("a\u{1B}[31mb", "a\\u{1b}[31mb"), ("\u{0}", "\\u{0}"),
            ("\u{7F}", "\\u{7f}"), ("\u{85}", "\\u{85}"), ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("\u{202E}", "\\u{202e}"), ("ä%0a é", "ä%0a é"),
            (String(decoding: [0xFF, 0x61], as: UTF8.self), "\u{FFFD}a"),
        ])
    func escapes(text: String, shown: String) {
        #expect(Self.record(text, ["field": text]) == "\(shown) field=\(shown)")
    }

    @Test("is no longer than anybody reads")
    func length() {
        let field = Self.record("", ["field": String(repeating: "ä", count: 8000)])
        #expect(field == " field=" + String(repeating: "ä", count: 128) + "…")
        #expect(Self.record(String(repeating: "a", count: 8000), [:]).utf8.count <= 1024 + 3)
    }

    @Test("stays one line in a service that is sent what is meant for its log")
    func service() async throws {
        try await RunningService.with(["--log-level", "debug"]) { service in
            let long = String(repeating: "M", count: 8000)
            let fields = [
                ("x-request-id", "a%0a2026-01-01 error"), ("authorization", "Bearer %0a"),
                ("forwarded", "for=\"\\\"\";a"),
                ("x-forwarded-for", "%0d%0a"),
            ]
            try await FramePeer.connected(to: service.port) { peer in
                try await peer.send(
                    .headers(1, FramePeer.request(long, "/%0aerror") + fields),
                    // Refused before anybody could log it.
                    .headers(3, FramePeer.get("/", ("user-agent", "\u{1B}[31m"))))
                _ = try await peer.settle()
            }
            try await TextPeer.connected(to: service.port) { peer in
                try await peer.request("GET", "/%0aerror", "X-Request-ID: %0a\u{2028}")
                _ = try await peer.response()
                try await peer.request("GET", "/", "X-Request-ID: \u{1B}[31m")
                _ = try await peer.untilClosed()
            }
            let log = try await service.process.errors(containing: "method=", times: 2)
            for line in log.split(whereSeparator: \.isNewline) {
                #expect(line.firstMatch(of: /^\d{4}-\d\d-\d\dT/) != nil, "\(line)")
                #expect(line.utf8.count < 1000)
                #expect(line.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
            }
        }
    }
}
