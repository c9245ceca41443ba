import Domain
import Testing

@Suite("Input values")
struct InputValueTests {
    @Test(
        "Canonical bytes: two spellings of a number are equal",
        arguments: [
            ("1", "1.0"), ("1", "1e0"), ("100", "1E+2"), ("0.1", "1e-1"), ("0", "-0.000e5"), ("-12", "-1.2e1"),
            ("1e0000000000000000000000000000001", "10"), ("99999999999999999999999", "9.9999999999999999999999e22"),
        ])
    func equalNumbers(left: String, right: String) {
        #expect(InputValue.number(left).canonicalBytes() == InputValue.number(right).canonicalBytes())
    }

    private static let different: [InputValue] = [
        "", "1", "a", "ab", 1, 10, -1, 1.5, .number("1e400"), .number("1e999999999999"), .number("1e999999999998"),
        true,
        false, nil, "true", "null", [], [[]], [[], []], ["a", "b"], ["ab"], [["a"], "b"], ["a", ["b"]], [:], ["": ""],
        ["a": "b"], ["a": ["b": 1]], ["a": [:], "b": 1], ["ab": 1], ["a": nil], ["m1:a": 0], ["a": "0m1:b"],
        ["a": "1", "a": "2"], ["a": "2", "a": "1"], "t1:a", "\u{E9}", "e\u{301}",
    ]

    @Test("Canonical bytes: values that differ have other bytes")
    func otherBytes() {
        let bytes = Set(Self.different.map { $0.canonicalBytes() })
        #expect(bytes.count == Self.different.count)
    }

    @Test("Canonical bytes: the order of members is irrelevant, the order of a list is not")
    func order() {
        let value: InputValue = ["a": 1, "b": ["x": true, "y": nil]]
        let reordered: InputValue = ["b": ["y": nil, "x": true], "a": 1.0]
        #expect(value.canonicalBytes() == reordered.canonicalBytes())
        #expect(InputValue.list([1, 2]).canonicalBytes() != InputValue.list([2, 1]).canonicalBytes())
    }

    @Test(
        "Whole numbers: only numbers without a fraction that fit",
        arguments: [
            ("10", 10), ("10.0", 10), ("1e1", 10), ("-3", -3), ("0e9", 0), ("9223372036854775807", Int.max),
            ("9223372036854775808", nil), ("1e400", nil), ("1.5", nil), ("1e-1", nil), ("", nil), ("ten", nil),
            ("1.", nil),
            (".5", nil), ("1e", nil), ("+1", nil), ("0x1", nil), ("1 ", nil),
        ] as [(String, Int?)])
    func wholeNumbers(digits: String, number: Int?) {
        #expect(InputValue.number(digits).wholeNumber == number)
    }

    @Test("Whole numbers: texts, lists and truth values are none")
    func otherValues() {
        for value: InputValue in ["10", [10], true, nil, [:]] { #expect(value.wholeNumber == nil) }
    }
}
