import Logging

/// Formats one line of the log without a dictionary and without an allocation, for events that occur often. The names of
/// its fields are fixed, and its values need no escapes.
///
/// The line has the bytes that `ServiceLogHandler` writes for the same event. A value that would be escaped, quoted or
/// truncated makes the line incomplete; the event is then to be logged through its `Logger`.
struct PlainLine {
    /// A power of two. A longer line overwrites its beginning, so that no byte needs a check; it is incomplete.
    private static let bytesMax = 1024

    /// The line is the first `count` bytes.
    private(set) var bytes = InlineArray<1024, UInt8>(repeating: 0)
    private(set) var count = 0

    private var isPlain = true
    private let format: LogOutput.Format
    private let hasColors: Bool

    /// Spaces before the first field that align the fields at a terminal.
    private var padding = 0

    init(_ format: LogOutput.Format, hasColors: Bool) {
        self.format = format
        self.hasColors = hasColors
    }

    /// Whether each value was plain, and the line has room for all.
    var isComplete: Bool { isPlain && count <= Self.bytesMax }

    /// Writes what is before the fields.
    ///
    /// - Parameter message: Visible ASCII and spaces.
    mutating func begin(_ level: Logger.Level, label: String, message: StaticString) {
        switch format {
        case .json:
            append(fixed: "{\"time\":\"")
            append(MillisecondTime.now.rfc3339Bytes.span)
            append(fixed: "\",\"level\":\"")
            append(level.rawValue.utf8.span)
            append(fixed: "\",\"logger\":\"")
            append(checking: label.utf8.span)
            append(fixed: "\",\"message\":\"")
            append(fixed: message)
            append("\"")
        case .text:
            append(MillisecondTime.now.rfc3339Bytes.span)
            append(" ")
            append(ConsoleLine.paddedNameBytes(of: level, hasColors).span)
            append(" ")
            append(checking: label.utf8.span)
            append(fixed: ": ")
            append(fixed: message)
        case .console:
            if hasColors { append(fixed: "\u{1B}[2m") }
            append(LocalTime.now.utf8.span)
            if hasColors { append(fixed: "\u{1B}[0m") }
            append(" ")
            append(ConsoleLine.paddedNameBytes(of: level, hasColors).span)
            append(" ")
            let start = count
            if label != ConsoleLine.usualLabel {
                append(checking: label.utf8.span)
                append(fixed: ": ")
            }
            append(fixed: message)
            padding = max(0, ConsoleLine.messageWidth - (count - start))
        }
    }

    /// Writes a field. Fields are written in ascending order of their names.
    mutating func field(_ name: StaticString, _ number: Int) {
        beginField(name)
        append(number)
    }

    /// Writes a number of thousandths as `Double` describes it: `0.25` for 250, `3.0` for 3000.
    mutating func field(_ name: StaticString, thousandths: Int) {
        // `Double` has 15 exact digits.
        guard (0..<1_000_000_000_000_000).contains(thousandths) else { return isPlain = false }
        beginField(name)
        let (whole, fraction) = thousandths.quotientAndRemainder(dividingBy: 1000)
        append(whole)
        append(".")
        append(UInt(fraction), digits: 3)
        // At least one digit remains after the point.
        if fraction % 10 == 0 { count -= fraction % 100 == 0 ? 2 : 1 }
    }

    /// Writes any text. The line becomes incomplete if it is not plain.
    mutating func field(_ name: StaticString, checking text: String) {
        beginText(name)
        append(checking: text.utf8.span)
        endText()
    }

    /// Writes a text whose type guarantees that it is plain.
    mutating func field(_ name: StaticString, plain text: String) {
        field(name, plain: text.utf8.span)
    }

    mutating func field(_ name: StaticString, plain text: Span<UInt8>) {
        assert(Self.isPlain(text))
        beginText(name)
        append(text)
        endText()
    }

    mutating func field(_ name: StaticString, plain text: StaticString) {
        beginText(name)
        append(fixed: text)
        endText()
    }

    /// Writes a number of 128 bits as 32 hexadecimal digits.
    mutating func field(_ name: StaticString, hexadecimal high: UInt64, _ low: UInt64) {
        beginText(name)
        append(hexadecimal: high)
        append(hexadecimal: low)
        endText()
    }

    mutating func field(_ name: StaticString, ipv4 address: UInt32) {
        beginText(name)
        append(Int(address >> 24))
        append(".")
        append(Int(address >> 16 & 0xFF))
        append(".")
        append(Int(address >> 8 & 0xFF))
        append(".")
        append(Int(address & 0xFF))
        endText()
    }

    /// Writes the end of the line.
    mutating func end() {
        if format == .json { append("}") }
        append("\n")
    }

    private mutating func beginText(_ name: StaticString) {
        beginField(name)
        if format == .json { append("\"") }
    }

    private mutating func endText() {
        if format == .json { append("\"") }
    }

    private mutating func beginField(_ name: StaticString) {
        switch format {
        case .json:
            append(",")
            append("\"")
            append(fixed: name)
            append("\"")
            append(":")
        case .text:
            append(" ")
            append(fixed: name)
            append("=")
        case .console:
            while padding > 0 {
                append(" ")
                padding -= 1
            }
            append(" ")
            if hasColors { append(fixed: "\u{1B}[2m") }
            append(fixed: name)
            append("=")
            if hasColors { append(fixed: "\u{1B}[0m") }
        }
    }

    /// Appends an ASCII character.
    @inline(__always)
    private mutating func append(_ character: Unicode.Scalar) {
        bytes[count & (Self.bytesMax - 1)] = UInt8(ascii: character)
        count &+= 1
    }

    private mutating func append(fixed text: StaticString) {
        text.withUTF8Buffer { append($0.span) }
    }

    private mutating func append(_ text: Span<UInt8>) {
        // A local index, which is in a register.
        var next = count
        for index in 0..<text.count {
            bytes[next & (Self.bytesMax - 1)] = text[index]
            next &+= 1
        }
        count = next
    }

    private mutating func append(checking text: Span<UInt8>) {
        if !Self.isPlain(text) { isPlain = false }
        append(text)
    }

    /// Whether no format escapes, quotes or truncates the value: visible ASCII without quotes and backslashes.
    private static func isPlain(_ text: Span<UInt8>) -> Bool {
        guard (1...LogText.fieldBytesMax).contains(text.count) else { return false }
        for index in 0..<text.count {
            switch text[index] {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): return false
            case 0x21...0x7E: break
            default: return false
            }
        }
        return true
    }

    private mutating func append(_ number: Int) {
        if number < 0 { append("-") }
        let magnitude = number.magnitude
        guard magnitude >= 10 else { return append(magnitude, digits: 1) }
        var digits = 1
        var rest = magnitude
        while rest >= 10 {
            digits += 1
            rest /= 10
        }
        append(magnitude, digits: digits)
    }

    private mutating func append(_ number: UInt, digits: Int) {
        var rest = number
        var index = count &+ digits
        count = index
        for _ in 0..<digits {
            index &-= 1
            let (tens, digit) = rest.quotientAndRemainder(dividingBy: 10)
            bytes[index & (Self.bytesMax - 1)] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: digit)
            rest = tens
        }
    }

    private mutating func append(hexadecimal number: UInt64) {
        for index in 0..<16 {
            let digit = UInt8(truncatingIfNeeded: number >> UInt64(60 - 4 * index)) & 0xF
            bytes[(count &+ index) & (Self.bytesMax - 1)] =
                digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
        }
        count &+= 16
    }
}
