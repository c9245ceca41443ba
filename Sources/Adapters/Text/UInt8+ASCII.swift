extension UInt8 {
    var isASCIIDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

    var isASCIILowercase: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) }

    var isASCIIUppercase: Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) }

    var isASCIILetter: Bool { isASCIILowercase || isASCIIUppercase }

    var isASCIILetterOrDigit: Bool { isASCIILetter || isASCIIDigit }

    /// Space or tab.
    var isASCIIWhitespace: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }

    /// Visible ASCII, without space (VCHAR of RFC 5234).
    var isASCIIVisible: Bool { (0x21...0x7E).contains(self) }
}
