import Adapters
import Foundation
import Logging
import NIOCore
import Synchronization
import Testing

@Suite("Log lines", .timeLimit(.minutes(10)))
struct ServiceLogHandlerTests {
    /// The lines that are written when `log` runs.
    private static func written(
        _ format: LogOutput.Format, level: Logger.Level = .info, _ log: (Logger, LogOutput) -> Void
    ) -> [String] {
        let lines = Mutex<[String]>([])
        let output = LogOutput { line in lines.withLock { $0.append(String(buffer: line)) } }
        output.format = format
        output.level = level
        log(output.logger(label: "test"), output)
        output.flush()
        // One call of the sink writes many lines.
        return lines.withLock { $0.joined() }.split(separator: "\n").map { "\($0)\n" }
    }

    private static func record(_ message: String, _ fields: [String: String]) -> String {
        written(.text) { logger, _ in logger.info("\(message)", metadata: fields.mapValues { "\($0)" }) }.joined()
    }

    @Test(
        "line ends, terminal escapes and bidirectional controls are escaped",
        arguments: [
            ("a\nb", "a\\u{a}b"), ("a\r\nb", "a\\u{d}\\u{a}b"), ("a\u{1B}[31mb", "a\\u{1b}[31mb"), ("\u{0}", "\\u{0}"),
            ("\u{7F}", "\\u{7f}"), ("\u{85}", "\\u{85}"), ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("\u{202E}", "\\u{202e}"), ("ä%0a é", "ä%0a é"),
            (String(decoding: [0xFF, 0x61], as: UTF8.self), "\u{FFFD}a"),
        ])
    func escapes(text: String, shown: String) throws {
        let line = Self.record(text, ["field": text])
        #expect(line.hasSuffix(" INFO     test: \(shown) field=\(shown)\n"), "\(line)")
        // JSON output is one line too, and parses to the original text.
        let object = try #require(
            Self.written(.json) { logger, _ in logger.info("\(text)", metadata: ["field": "\(text)"]) }.first)
        #expect(object.unicodeScalars.filter { $0.value < 0x20 || (0x2028...0x2029).contains($0.value) } == ["\n"])
        let read = try #require(
            try JSONSerialization.jsonObject(with: Data(object.utf8)) as? [String: String])
        #expect(read["message"] == text && read["field"] == text)
    }

    @Test("long messages and fields are truncated")
    func length() {
        let field = Self.record("", ["field": String(repeating: "ä", count: 8000)])
        #expect(field.hasSuffix(" field=" + String(repeating: "ä", count: 128) + "…\n"))
        #expect(Self.record(String(repeating: "a", count: 8000), [:]).utf8.count <= 1024 + 60)
        let object = Self.written(.json) { logger, _ in
            logger.info(
                "\(String(repeating: "\u{1}", count: 8000))",
                metadata: ["field": "\(String(repeating: "ä", count: 8000))"])
        }
        #expect(object.joined().utf8.count < 6 * 1024 + 6 * 256 + 200)
    }

    @Test("a JSON line has time, level, logger, message and fields; numbers stay numbers")
    func object() throws {
        let lines = Self.written(.json) { logger, _ in
            var logger = logger
            logger[metadataKey: "master"] = "main"
            logger.warning(
                "request",
                metadata: [
                    "status": .stringConvertible(503), "duration_ms": .stringConvertible(0.25), "time": "now",
                    "level": "high", "caller": "app",
                ])
        }
        let read = try #require(
            try JSONSerialization.jsonObject(with: Data(lines.joined().utf8)) as? [String: Any])
        #expect(read["level"] as? String == "warning" && read["logger"] as? String == "test")
        #expect(read["status"] as? Int == 503 && read["duration_ms"] as? Double == 0.25)
        #expect(read["time_"] as? String == "now" && read["level_"] as? String == "high")
        #expect(read["master"] as? String == "main" && read["caller"] as? String == "app")
        let time = try #require(read["time"] as? String)
        #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil, "\(time)")
    }

    @Test("a line for a terminal has the local time, aligned levels and messages, and quotes around values with spaces")
    func console() throws {
        let lines = Self.written(.console) { logger, output in
            logger.info("started", metadata: ["a": "1", "b": "two words", "c": "say \"x\"", "d": ""])
            logger.critical("over\nnext")
            output.hasColors = true
            logger.warning("slow", metadata: ["a": "1"])
        }
        let messageEnd = String(repeating: " ", count: 40 - "test: started".count)
        let expected = [
            "INFO     test: started\(messageEnd) a=1 b=\"two words\" c=\"say \\\"x\\\"\" d=\"\"\n",
            "CRITICAL test: over\\u{a}next\n",
        ]
        for (line, text) in zip(lines, expected) {
            let (time, rest) = (line.prefix(9), line.dropFirst(9))
            #expect(time.wholeMatch(of: /\d\d:\d\d:\d\d\s/) != nil && rest == text, "\(line)")
        }
        #expect(lines[2].contains("\u{1B}[33mWARNING\u{1B}[0m  test: slow"), "\(lines[2])")
    }

    @Test("the level can be changed at run time; a logger's own level takes precedence")
    func level() {
        let lines = Self.written(.text) { logger, output in
            var strict = logger
            strict.logLevel = .error
            logger.debug("one")
            output.level = .debug
            logger.debug("two")
            strict.info("three")
            output.level = .error
            logger.info("four")
        }
        #expect(lines.count == 1 && lines[0].hasSuffix("test: two\n"))
    }

    @Test("while the output is blocked, logging does not wait; lines are dropped and counted")
    func dropped() {
        let release = DispatchSemaphore(value: 0)
        let count = Atomic(0)
        let output = LogOutput(waitingBytesMax: 10_000) { lines in
            release.wait()
            release.signal()
            let written = lines.readableBytesView.count { $0 == UInt8(ascii: "\n") }
            count.add(written, ordering: .relaxed)
        }
        let logger = output.logger(label: "test")
        for _ in 0..<1000 { logger.info("\(String(repeating: "a", count: 100))") }
        #expect(output.linesDropped > 900 && output.linesDropped < 1000)
        release.signal()
        output.flush()
        #expect(count.load(ordering: .relaxed) + output.linesDropped == 1000)
        #expect(output.lines.map(\.count).reduce(0, +) + output.linesDropped == 1000)
    }

    @Test("requests that try to inject log lines leave one line each", arguments: ["text", "json"])
    func service(format: String) async throws {
        try await RunningService.with(["--log-level", "debug", "--log-format", format]) { service in
            let long = String(repeating: "M", count: 8000)
            let fields = [
                ("x-request-id", "a%0a2026-01-01 error"), ("authorization", "Bearer %0a"),
                ("forwarded", "for=\"\\\"\";a"),
                ("x-forwarded-for", "%0d%0a"),
            ]
            try await FramePeer.connected(to: service.port) { peer in
                try await peer.send(
                    .headers(1, FramePeer.request(long, "/%0aerror") + fields),
                    // Refused before it reaches the log.
                    .headers(3, FramePeer.get("/", ("user-agent", "\u{1B}[31m"))))
                _ = try await peer.settle()
            }
            try await TextPeer.connected(to: service.port) { peer in
                try await peer.request("GET", "/%0aerror", "X-Request-ID: %0a\u{2028}")
                _ = try await peer.response()
                try await peer.request("GET", "/", "X-Request-ID: \u{1B}[31m")
                _ = try await peer.untilClosed()
            }
            let log = try await service.process.errors(
                containing: format == "json" ? #""method":"# : "method=", times: 2)
            for line in log.split(whereSeparator: \.isNewline) {
                #expect(
                    line.firstMatch(of: format == "json" ? /^{"time":"\d{4}-/ : /^\d{4}-\d\d-\d\dT/) != nil, "\(line)")
                #expect(line.utf8.count < 1000)
                #expect(line.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
            }
        }
    }
}
