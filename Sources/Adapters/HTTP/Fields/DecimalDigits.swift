/// Writes decimal numbers without making strings.
enum DecimalDigits {
    /// The largest number has 19 digits.
    static let bytesMax = 19

    /// Writes a number that is not negative to the start of a buffer with room for `bytesMax` bytes. Returns the number of
    /// digits.
    static func write(_ number: Int, to buffer: UnsafeMutableRawPointer) -> Int {
        var count = 1
        var rest = number / 10
        while rest > 0 {
            count += 1
            rest /= 10
        }
        rest = number
        for place in (0..<count).reversed() {
            buffer.storeBytes(of: UInt8(ascii: "0") + UInt8(rest % 10), toByteOffset: place, as: UInt8.self)
            rest /= 10
        }
        return count
    }

    /// Calls `body` with the digits of a number that is not negative. A string of them would cost ten times as much.
    static func withDigits<Result>(of number: Int, _ body: (Span<UInt8>) -> Result) -> Result {
        var digits = InlineArray<19, UInt8>(repeating: 0)
        var start = digits.count
        var rest = number
        repeat {
            start -= 1
            digits[start] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        } while rest > 0
        return body(digits.span.extracting(start...))
    }
}
