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
}
