import Adapters
import Domain
import DomainFakes
import Foundation
import Logging
import NIOCore
import Synchronization
import Testing

@Suite("Log formats: lines have the same bytes however they are made", .timeLimit(.minutes(10)))
struct LogFormatTests {
    struct Form: Sendable, CustomTestStringConvertible {
        let format: LogOutput.Format
        let hasColors: Bool

        var testDescription: String { format.rawValue + (hasColors ? " with colours" : "") }

        static let all = LogOutput.Format.allCases.flatMap { format in
            [false, true].map { Form(format: format, hasColors: $0) }
        }
    }

    /// An output that collects its lines, and whose lines can be read without their times.
    private struct Collected {
        let output: LogOutput
        private let form: Form
        private let text: Box

        private final class Box: Sendable {
            let text = Mutex("")
        }

        init(_ form: Form) {
            let text = Box()
            self.form = form
            self.text = text
            output = LogOutput { lines in text.text.withLock { $0 += String(buffer: lines) } }
            output.format = form.format
            output.hasColors = form.hasColors
            output.level = .trace
        }

        /// The lines since the last call.
        func lines() -> [String] {
            output.flush()
            let text = text.text.withLock { text in
                defer { text = "" }
                return text
            }
            return text.split(separator: "\n").map { line in
                // The time has a fixed place and length.
                let (start, length) =
                    switch (form.format, form.hasColors) {
                    case (.json, _): ("{\"time\":\"".utf8.count, 24)
                    case (.text, _): (0, 24)
                    case (.console, false): (0, 8)
                    case (.console, true): ("\u{1B}[2m".utf8.count, 8)
                    }
                let bytes = line.utf8
                return String(decoding: bytes.prefix(start), as: UTF8.self) + "TIME"
                    + String(decoding: bytes.dropFirst(start + length), as: UTF8.self)
            }
        }
    }

    /// A handler of another type, so that the access log has no short way to the output.
    private struct Forwarding: LogHandler {
        var target: any LogHandler
        var metadata: Logger.Metadata = [:]

        var logLevel: Logger.Level {
            get { target.logLevel }
            set { target.logLevel = newValue }
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { target[metadataKey: key] }
            set { target[metadataKey: key] = newValue }
        }

        func log(event: LogEvent) { target.log(event: event) }
    }

    private static func line(_ random: inout SeededRandom) throws -> AccessLog.Line {
        let letters = Array("abcXYZ019-_.@:/")
        let strange = Array("aé\u{0}\n\u{7F}\u{85}\u{2028}\u{202E}\"\\ %{}=\u{1F600}")
        func text(_ characters: [Character], _ count: ClosedRange<Int>) -> String {
            let count = Int.random(in: count, using: &random)
            return String((0..<count).map { _ in characters.randomElement(using: &random) ?? "a" })
        }
        func number() -> Int {
            let bits = Int.random(in: 0...62, using: &random)
            return Int.random(in: 0...(1 << bits), using: &random)
        }
        let addresses = [
            "192.0.2.1", "0.0.0.0", "255.255.255.255", "10.20.130.4", "2001:db8::1", "::ffff:192.0.2.1", "::1",
        ]
        let routes: [StaticString] = ["none", "/v2/accounts/{accountId}/billing", "/v2/billing/stream"]
        let methods = ["GET", "POST", "M-SEARCH", "", text(strange, 1...20), text(letters, 200...300)]
        let client: SocketAddress? =
            switch Int.random(in: 0..<20, using: &random) {
            case 0: nil
            case 1: try SocketAddress(unixDomainSocketPath: "/a")
            default: try SocketAddress(ipAddress: addresses.randomElement(using: &random) ?? "", port: 1)
            }
        let name = Name(text(letters, 1...64))
        let parents = [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-0000000000000001000000000000000f-00f067aa0ba902b7-00", "invalid",
        ]
        return AccessLog.Line(
            requestID: text(Int.random(in: 0..<10, using: &random) == 0 ? strange : letters, 0...130),
            route: routes.randomElement(using: &random) ?? "none",
            caller: Bool.random(using: &random) ? name : nil,
            cache: ["fresh", "stale", "missed", nil].randomElement(using: &random) ?? nil,
            method: methods.randomElement(using: &random) ?? "", client: client,
            version: ["2", "1.1"].randomElement(using: &random) ?? "2",
            traceparent: (parents + [nil]).randomElement(using: &random) ?? nil,
            status: Int.random(in: 100...599, using: &random), duration: .nanoseconds(Int64(number())), bytes: number(),
            upstreamCalls: Int.random(in: 0...3, using: &random))
    }

    @Test(
        "a line of the access log is what its logger writes for the same request", arguments: Form.all,
        [UInt64.random(in: 0 ... .max)])
    func accessLog(form: Form, seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let (typed, logged) = (Collected(form), Collected(form))
        for label in ["billing-service", "billing-service.other", "a \"label\""] {
            let typedLog = AccessLog(share: 1, logger: typed.output.logger(label: label), metrics: .none)
            let loggedLog = AccessLog(
                share: 1,
                logger: Logger(label: label) { Forwarding(target: logged.output.logger(label: $0).handler) },
                metrics: .none)
            for _ in 0..<1000 {
                let line = try Self.line(&random)
                typedLog.note(line)
                loggedLog.note(line)
            }
            let (found, expected) = (typed.lines(), logged.lines())
            #expect(found.count == 1000 && found == expected, "seed \(seed)")
        }
    }

    @Test("lines of the access log have the metadata of its logger and of its provider", arguments: Form.all)
    func metadata(form: Form) throws {
        var random = SeededRandom(seed: 1)
        let (collected, plain) = (Collected(form), Collected(form))
        var logger = collected.output.logger(label: "test")
        logger[metadataKey: "aaa"] = "first"
        logger.handler.metadataProvider = .init { ["zzz": "last"] }
        let line = try Self.line(&random)
        AccessLog(share: 1, logger: logger, metrics: .none).note(line)
        AccessLog(share: 1, logger: plain.output.logger(label: "test"), metrics: .none).note(line)
        let (found, without) = (collected.lines()[0], plain.lines()[0])
        #expect(found.contains("aaa") && found.contains("first") && found.contains("zzz") && found.contains("last"))
        #expect(!without.contains("aaa") && !without.contains("zzz"))
    }

    @Test("lines of the access log below the level of its logger are not written")
    func level() throws {
        var random = SeededRandom(seed: 1)
        let collected = Collected(Form(format: .json, hasColors: false))
        collected.output.level = .critical
        let log = AccessLog(share: 1, logger: collected.output.logger(label: "test"), metrics: .none)
        for _ in 0..<100 { log.note(try Self.line(&random)) }
        #expect(collected.lines().isEmpty)
    }

    @Test("times in log lines are formatted as Foundation formats them", arguments: [UInt64.random(in: 0 ... .max)])
    func times(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        for _ in 0..<10_000 {
            let milliseconds = Int64.random(in: 0..<253_402_300_800_000, using: &random)
            let time = MillisecondTime(milliseconds: milliseconds)
            let text = String(decoding: (0..<24).map { time.rfc3339Bytes[$0] }, as: UTF8.self)
            #expect(text == time.rfc3339, "seed \(seed)")
            // Between two milliseconds, where a `Double` is exact enough.
            let date = Date(timeIntervalSince1970: (Double(milliseconds) + 0.25) / 1000)
            #expect(text == date.formatted(style), "seed \(seed)")
        }
    }

    /// The format of a line, written plainly.
    private static func reference(
        _ level: Logger.Level, _ message: String, _ fields: Logger.Metadata, _ form: Form
    ) -> String {
        let sorted = fields.sorted { $0.key < $1.key }
        let name = level.rawValue.uppercased()
        let number =
            switch level {
            case .trace, .debug: "2"
            case .info: "32"
            case .notice: "36"
            case .warning: "33"
            case .error: "31"
            case .critical: "1;31"
            }
        let padded =
            (form.hasColors ? "\u{1B}[\(number)m\(name)\u{1B}[0m" : name)
            + String(repeating: " ", count: 8 - name.count)
        func dim(_ text: String) -> String { form.hasColors ? "\u{1B}[2m\(text)\u{1B}[0m" : text }
        switch form.format {
        case .text:
            return "TIME \(padded) test: \(escaped(message, 1024))"
                + sorted.map { " \($0.key)=\(escaped("\($0.value)", 256))" }.joined()
        case .console:
            let text = "test: \(escaped(message, 1024))"
            let fields = sorted.map { field in
                var value = escaped("\(field.value)", 256)
                if value.isEmpty || value.unicodeScalars.contains(where: { $0 == " " || $0 == "\"" }) {
                    value = "\"" + value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
                }
                return " " + dim(field.key + "=") + value
            }
            let padding = fields.isEmpty ? "" : String(repeating: " ", count: max(0, 40 - text.count))
            return "\(dim("TIME")) \(padded) \(text)\(padding)\(fields.joined())"
        case .json:
            let members = sorted.map { field in
                switch field.value {
                case .stringConvertible(let value as Int): "\(quoted(field.key)):\(value)"
                case .stringConvertible(let value as Bool): "\(quoted(field.key)):\(value)"
                case .string, .stringConvertible, .array, .dictionary:
                    "\(quoted(field.key)):\(quoted(bounded("\(field.value)", 256)))"
                }
            }
            let head = [
                "\"time\":\"TIME\"", "\"level\":\"\(level)\"", "\"logger\":\"test\"",
                "\"message\":\(quoted(bounded(message, 1024)))",
            ]
            return "{" + (head + members).joined(separator: ",") + "}"
        }
    }

    private static func bounded(_ text: String, _ bytesMax: Int) -> String {
        var bounded = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            bounded.append(scalar)
            guard String(bounded).utf8.count <= bytesMax else { return String(bounded.dropLast()) + "…" }
        }
        return String(bounded)
    }

    private static func escaped(_ text: String, _ bytesMax: Int) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            let isControl = scalar.properties.generalCategory == .control
            let isDirection =
                (0x200E...0x200F).contains(scalar.value) || (0x2028...0x202E).contains(scalar.value)
                || (0x2066...0x2069).contains(scalar.value)
            let next =
                isControl || isDirection ? "\\u{" + String(scalar.value, radix: 16) + "}" : String(Character(scalar))
            guard escaped.utf8.count + next.utf8.count <= bytesMax else { return escaped + "…" }
            escaped += next
        }
        return escaped
    }

    private static func quoted(_ text: String) -> String {
        let escapes: [Unicode.Scalar: String] = [
            "\"": "\\\"", "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\u{7F}": "\\u007f",
            "\u{85}": "\\u0085", "\u{2028}": "\\u2028", "\u{2029}": "\\u2029",
        ]
        let all = text.unicodeScalars.map { scalar in
            if let escape = escapes[scalar] { return escape }
            guard scalar.value < 0x20 else { return String(Character(scalar)) }
            let digits = String(scalar.value, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
        return "\"" + all.joined() + "\""
    }

    @Test(
        "a line of any logger has its documented format", arguments: Form.all, [UInt64.random(in: 0 ... .max)])
    func format(form: Form, seed: UInt64) {
        var random = SeededRandom(seed: seed)
        func text() -> String {
            var text = String.UnicodeScalarView()
            let ranges: [ClosedRange<UInt32>] = [
                0...0x1F, 0x20...0x7E, 0x20...0x7E, 0x7F...0xA0, 0xA1...0x7FF, 0x2000...0x2070, 0x1F600...0x1F640,
            ]
            let isPlain = Bool.random(using: &random)
            let count = Int.random(in: 0...[5, 40, 300, 1100][Int.random(in: 0..<4, using: &random)], using: &random)
            for _ in 0..<count {
                let range = isPlain ? 0x20...0x7E : ranges.randomElement(using: &random) ?? 0...0
                if let scalar = Unicode.Scalar(UInt32.random(in: range, using: &random)) { text.append(scalar) }
            }
            return String(text)
        }
        func value() -> Logger.Metadata.Value {
            switch Int.random(in: 0..<6, using: &random) {
            case 0: .stringConvertible(Int.random(in: -1000...1000, using: &random))
            case 1: .stringConvertible(Bool.random(using: &random))
            case 2: .array(["\(text())", "b"])
            case 3: .dictionary(["a": "\(text())"])
            default: .string(text())
            }
        }
        let collected = Collected(form)
        let keys = ["a", "b", "B", "key", "zone"]
        for _ in 0..<500 {
            var logger = collected.output.logger(label: "test")
            let (own, provided, sent) = (
                Bool.random(using: &random), Bool.random(using: &random), Int.random(in: 0...3, using: &random)
            )
            var expected: Logger.Metadata = [:]
            if own {
                expected["key"] = value()
                logger[metadataKey: "key"] = expected["key"]
            }
            if provided {
                let metadata: Logger.Metadata = ["key": value(), "zone": value()]
                logger.handler.metadataProvider = .init { metadata }
                expected.merge(metadata) { $1 }
            }
            let metadata = Logger.Metadata(
                keys.shuffled(using: &random).prefix(sent).map { ($0, value()) }, uniquingKeysWith: { $1 })
            expected.merge(metadata) { $1 }
            let level = Logger.Level.allCases.randomElement(using: &random) ?? .info
            let message = text()
            logger.log(level: level, "\(message)", metadata: sent == 0 ? nil : metadata)
            #expect(collected.lines() == [Self.reference(level, message, expected, form)], "seed \(seed)")
        }
    }
}
