import Adapters
import DomainFakes
import NIOCore
import Testing

@Suite("JSON")
struct JSONTests {
    private func parse(_ text: String) throws -> JSONValue {
        try JSONValue(parsing: Array(text.utf8))
    }

    @Test(
        "valid text is parsed",
        arguments: [
            ("null", JSONValue.null), (" true ", .bool(true)), ("-0.5e+10", .number("-0.5e+10")), ("[]", .array([])),
            ("[1, \"a\"]", .array([.number("1"), .string("a")])), (#""\u00e4\ud83d\ude00\n\/""#, .string("ä😀\n/")),
        ])
    func reads(text: String, value: JSONValue) throws {
        #expect(try parse(text) == value)
    }

    @Test(
        "invalid text is refused",
        arguments: [
            "", " ", "tru", "nul", "01", "1.", "-", "1e", "+1", ".5", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{a:1}",
            "{\"a\":1,}", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"a\nb\"", "1 2",
            "NaN", "Infinity", "'a'", "\u{FEFF}1", String(repeating: "[", count: 100),
        ])
    func refuses(text: String) {
        #expect(throws: JSONSyntaxError.self) { try parse(text) }
    }

    @Test("text that is not UTF-8 is refused")
    func notUTF8() {
        #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
    }

    @Test("members keep their text, including the digits of numbers, without line breaks")
    func text() throws {
        let object = try #require(
            try parse("{\"a\": 1.50, \"b\":{\n \"c d\" : [1,\t2 ],\r\n\"e\": \"x \\\" y\"}, \"a\": 2}").object)
        #expect(
            object.members.map { String(decoding: $0.text, as: UTF8.self) } == [
                "1.50", #"{"c d":[1,2],"e":"x \" y"}"#, "2",
            ])
        #expect(object["a"]?.integer == 2)
    }

    /// Where Python's `str.splitlines` ends a line.
    static let lineEnds: Set<Unicode.Scalar> = [
        "\n", "\r", "\u{B}", "\u{C}", "\u{1C}", "\u{1D}", "\u{1E}", "\u{85}", "\u{2028}", "\u{2029}",
    ]

    @Test(
        "copied JSON text has its line ends escaped and is otherwise unchanged",
        arguments: [
            ("1.50", "1.50"), ("\"Köln é €\"", "\"Köln é €\""), ("\"a\u{85}b\"", #""a\u0085b""#),
            ("[\"\u{2028}\",1E+5,{\"k\u{2029}\":\"\u{7F}\"}]", #"["\u2028",1E+5,{"k\u2029":"\u007f"}]"#),
            (#""\u0085\n\"\\""#, #""\u0085\n\"\\""#), ("\"\\\\\u{85}\"", #""\\\u0085""#),
            ("\"\u{A0}\u{84}\u{86}\u{2027}\u{202A}\"", "\"\u{A0}\u{84}\u{86}\u{2027}\u{202A}\""),
            ("[1,\r\n\t2]", "[1,2]"),
        ])
    func passedOn(text: String, written: String) throws {
        var buffer = ByteBuffer()
        buffer.writeJSONText(Array(text.utf8))
        #expect(String(buffer: buffer) == written)
        // The texts of members differ, their values do not.
        let (values, before) = (try parse(written), try parse(text))
        #expect(values == before || values.array?.count == before.array?.count)
    }

    @Test("JSON text truncated inside a character is copied unchanged")
    func cutOff() {
        for text: [UInt8] in [[0x22, 0xC2], [0x22, 0xE2], [0x22, 0xE2, 0x80], [0xC2, 0x22], [0xE2, 0x80, 0x22]] {
            var buffer = ByteBuffer()
            buffer.writeJSONText(text)
            #expect(Array(buffer.readableBytesView) == text)
        }
    }

    @Test("mutated text gives a value or an error, never a crash", arguments: [UInt64.random(in: 0 ... .max)])
    func mutations(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let seeds = [
            #"{"address":"12 Example Street","apt":null,"n":-1.5e3,"list":[true,false,{"x":"\u00e4\n"}]}"#,
            #"{"access_token":"abc","expires_in":3600,"scope":"a b"}"#, "[[[[]]],{}]",
        ].map { Array($0.utf8) }
        for _ in 0..<20_000 {
            var bytes = seeds.randomElement(using: &random) ?? []
            for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
                let index = bytes.indices.randomElement(using: &random) ?? 0
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(UInt8.random(in: 0...127, using: &random), at: index)
                default: bytes.removeSubrange(index...)
                }
            }
            // Parsing must not trap, and an accepted string must survive writing and reading.
            guard let value = try? JSONValue(parsing: bytes), case .string(let text) = value else { continue }
            var buffer = ByteBuffer()
            buffer.writeJSONString(text)
            #expect((try? JSONValue(parsing: Array(buffer.readableBytesView))) == value, "seed \(seed)")
        }
    }

    @Test("strings survive writing and reading, without line ends", arguments: [UInt64.random(in: 0 ... .max)])
    func strings(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            var text = ""
            for _ in 0..<Int.random(in: 0...20, using: &random) {
                let ranges: [ClosedRange<UInt32>] = [0...0x7F, 0x80...0x7FF, 0x2020...0x2030, 0x1F600...0x1F640]
                let range = ranges.randomElement(using: &random) ?? 0...0
                if let scalar = Unicode.Scalar(UInt32.random(in: range, using: &random)) {
                    text.unicodeScalars.append(scalar)
                }
            }
            var buffer = ByteBuffer()
            buffer.writeJSONString(text)
            let written = String(buffer: buffer)
            #expect(Self.lineEnds.isDisjoint(with: written.unicodeScalars), "seed \(seed)")
            #expect(try JSONValue(parsing: Array(written.utf8)) == .string(text), "seed \(seed)")
        }
    }
}
