/// A value of a caller's request, before the rules of its operation are checked.
package indirect enum InputValue: Sendable, Equatable {
    case text(String)
    /// The digits as they were written, such as `10` or `1e1`.
    case number(String)
    case boolean(Bool)
    case null
    case list([InputValue])
    /// The members in the order of the request. A name may be there more than once.
    case object([Member])

    package struct Member: Sendable, Equatable {
        package let name: String
        package let value: InputValue

        package init(name: String, value: InputValue) {
            self.name = name
            self.value = value
        }
    }
}

extension InputValue {
    /// An unambiguous encoding for digests. Two values have the same bytes only if they mean the same.
    ///
    /// Members are sorted by their names, and numbers are encoded by their value: `1`, `1.0` and `1e0` are equal. Texts are
    /// compared byte by byte.
    package func canonicalBytes() -> [UInt8] {
        var bytes: [UInt8] = []
        encode(to: &bytes)
        return bytes
    }

    private func encode(to bytes: inout [UInt8]) {
        switch self {
        case .text(let text): Self.append(text.utf8, tag: "t", to: &bytes)
        case .number(let digits): Self.append(Decimal(digits)?.canonicalText.utf8 ?? digits.utf8, tag: "n", to: &bytes)
        case .boolean(let value): bytes.append(UInt8(ascii: value ? "y" : "f"))
        case .null: bytes.append(UInt8(ascii: "0"))
        case .list(let values):
            Self.append(count: values.count, tag: "l", to: &bytes)
            for value in values { value.encode(to: &bytes) }
        case .object(let members):
            Self.append(count: members.count, tag: "o", to: &bytes)
            // Members of the same name stay in the order of the request.
            let order = members.indices.sorted { left, right in
                let (first, second) = (members[left].name.utf8, members[right].name.utf8)
                if first.elementsEqual(second) { return left < right }
                return first.lexicographicallyPrecedes(second)
            }
            for index in order {
                Self.append(members[index].name.utf8, tag: "m", to: &bytes)
                members[index].value.encode(to: &bytes)
            }
        }
    }

    private static func append(_ text: some Collection<UInt8>, tag: Unicode.Scalar, to bytes: inout [UInt8]) {
        append(count: text.count, tag: tag, to: &bytes)
        bytes.append(contentsOf: text)
    }

    private static func append(count: Int, tag: Unicode.Scalar, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: tag))
        bytes.append(contentsOf: String(count).utf8)
        bytes.append(UInt8(ascii: ":"))
    }
}

extension InputValue {
    /// The first member of a name; `nil` also for a value that is not an object.
    package subscript(_ name: String) -> InputValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// The value of a number without a fraction; `nil` for every other value, and for numbers that do not fit.
    package var wholeNumber: Int? {
        guard case .number(let digits) = self else { return nil }
        return Decimal(digits)?.wholeNumber
    }

    /// A number as significant digits and a power of ten, so that `1`, `1.0` and `1e0` are the same.
    struct Decimal: Equatable {
        private let isNegative: Bool
        /// Without zeros at either end; empty for zero.
        private let digits: [UInt8]
        /// The power of ten of the last digit.
        private let exponent: Int

        /// Longer exponents are not compared by value. No quantity of a request has one.
        private static let exponentDigitsMax = 9

        /// `nil` if the text is not a decimal number (RFC 8259, section 6), or if its exponent has too many digits.
        init?(_ text: String) {
            var rest = Array(text.utf8)[...]
            isNegative = rest.first == UInt8(ascii: "-")
            if isNegative { rest.removeFirst() }
            var digits = Self.takeDigits(from: &rest)
            guard !digits.isEmpty else { return nil }
            var exponent = 0
            if rest.first == UInt8(ascii: ".") {
                rest.removeFirst()
                let fraction = Self.takeDigits(from: &rest)
                guard !fraction.isEmpty else { return nil }
                digits += fraction
                exponent -= fraction.count
            }
            if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
                rest.removeFirst()
                let isNegative = rest.first == UInt8(ascii: "-")
                if isNegative || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
                let power = Self.takeDigits(from: &rest)
                let significant = power.drop { $0 == UInt8(ascii: "0") }
                guard !power.isEmpty, significant.count <= Self.exponentDigitsMax else { return nil }
                let value = significant.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
                exponent += isNegative ? -value : value
            }
            guard rest.isEmpty else { return nil }
            let trailingZeros = digits.reversed().prefix { $0 == UInt8(ascii: "0") }.count
            self.digits = Array(digits.dropLast(trailingZeros).drop { $0 == UInt8(ascii: "0") })
            self.exponent = self.digits.isEmpty ? 0 : exponent + trailingZeros
        }

        private static func takeDigits(from bytes: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
            let digits = bytes.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            bytes = bytes.dropFirst(digits.count)
            return digits
        }

        var canonicalText: String {
            guard !digits.isEmpty else { return "0" }
            return (isNegative ? "-" : "") + String(decoding: digits, as: UTF8.self) + "e\(exponent)"
        }

        var wholeNumber: Int? {
            guard !digits.isEmpty else { return 0 }
            // No Int has more than 19 digits.
            guard (0...18).contains(exponent), digits.count + exponent <= 19 else { return nil }
            let text = String(decoding: digits, as: UTF8.self) + String(repeating: "0", count: exponent)
            return Int((isNegative ? "-" : "") + text)
        }
    }
}
