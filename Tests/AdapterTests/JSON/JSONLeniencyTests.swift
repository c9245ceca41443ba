import Adapters
import NIOCore
import Testing

@Suite("Lenient JSON parser")
struct JSONLeniencyTests {
    struct Case: CustomTestStringConvertible {
        let bytes: [UInt8]
        let value: JSONValue

        init(_ text: String, _ value: JSONValue) {
            bytes = Array(text.utf8)
            self.value = value
        }

        init(_ bytes: [UInt8], _ value: JSONValue) {
            self.bytes = bytes
            self.value = value
        }

        var testDescription: String { String(decoding: bytes, as: UTF8.self) }
    }

    @Test(
        "errors inside a value are repaired if the end of the value is clear",
        arguments: [
            Case(#""Koeln \ud83d""#, .string("Koeln \u{FFFD}")), Case(#""\ud83d\u0041""#, .string("\u{FFFD}A")),
            Case(#""\ude00\ud83d""#, .string("\u{FFFD}\u{FFFD}")),
            Case(#""\ud83d\ud83d\ude00""#, .string("\u{FFFD}\u{1F600}")), Case(#""\u12""#, .string("\u{FFFD}")),
            Case(#""\uzzzz""#, .string("\u{FFFD}zzzz")), Case(#""\x\'\ä""#, .string("x'ä")),
            Case([0x22, 0x4B, 0xF6, 0x6C, 0x6E, 0x22], .string("K\u{FFFD}ln")),
            // The first two bytes of a three-byte character.
            Case([0x22, 0xE2, 0x82, 0x22], .string("\u{FFFD}")), Case("\"a\nb\tc\"", .string("a\nb\tc")),
            Case("\u{FEFF}[1]", .array([.number("1")])),
            Case("[01234, NaN, +1, .5]", .array(["01234", "NaN", "+1", ".5"].map(JSONValue.string))),
            Case(String(repeating: "[", count: 33) + String(repeating: "]", count: 33), Self.nested(32)),
        ])
    func accepts(example: Case) throws {
        #expect(try JSONValue(readingLeniently: example.bytes) == example.value)
        #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: example.bytes) }
    }

    /// Null inside `depth` nested arrays.
    private static func nested(_ depth: Int) -> JSONValue {
        (0..<depth).reduce(JSONValue.null) { value, _ in .array([value]) }
    }

    @Test(
        "truncated or ambiguous text is refused",
        arguments: [
            "", "{\"city\":\"Oak", "{\"city\":\"Oak\"", "{\"zip\":946", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":,\"b\":1}", "1 2", "{} x", "\"\\", "\"\\ud83d", String(repeating: "[", count: 100),
        ])
    func refuses(text: String) {
        #expect(throws: JSONSyntaxError.self) { try JSONValue(readingLeniently: Array(text.utf8)) }
    }

    @Test("the text of a repaired member is strict JSON; other members keep their text")
    func text() throws {
        let bytes = Array(#"{"a \ud83d":{"b":["\ud83d",01],"c\ud83d":1.50},"d":{"e": 1.50}}"#.utf8)
        let object = try #require(try JSONValue(readingLeniently: bytes).object)
        #expect(object.members.map(\.name) == ["a \u{FFFD}", "d"])
        let texts = object.members.map { String(decoding: $0.text, as: UTF8.self) }
        #expect(texts == [#"{"b":["\#u{FFFD}","01"],"c\#u{FFFD}":1.50}"#, #"{"e":1.50}"#])
        for member in object.members { #expect(try JSONValue(parsing: Array(member.text)) == member.value) }
    }

    @Test(
        "valid JSON gives the same value as the strict parser; a wrong byte anywhere never crashes")
    func likeStrict() throws {
        let text = Array(#"{"a":[1,-2.5e3,true,null,"ä\ud83d\ude00\n"],"b":{"c":"","d":[[]]}}"#.utf8)
        let strict = try JSONValue(parsing: text)
        #expect(try JSONValue(readingLeniently: text) == strict)
        for index in text.indices {
            for byte in [0x00, 0x22, 0x5C, 0x7B, 0x7D, 0xFF] as [UInt8] {
                var broken = text
                broken[index] = byte
                guard let value = try? JSONValue(readingLeniently: broken), let object = value.object else { continue }
                for member in object.members {
                    #expect(throws: Never.self) { try JSONValue(parsing: Array(member.text)) }
                }
            }
        }
    }
}
