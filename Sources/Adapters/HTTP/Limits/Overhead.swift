/// Bytes taken in beside what they were good for. A value.
package struct Overhead {
    private let spareBytes: Int
    private var takenBytes = 0
    private var usefulBytes = 0

    /// How many bytes may be taken in for each that is worth something. A frame of one byte has nine more around it, a
    /// record of TLS two dozen, and both are rare.
    private static let perUsefulByte = 8

    /// - Parameter spareBytes: What may come without being good for anything.
    package init(spareBytes: Int) {
        self.spareBytes = spareBytes
    }

    package mutating func took(_ count: Int) {
        takenBytes += count
    }

    package mutating func wasUseful(_ count: Int) {
        usefulBytes += count
    }

    package var isExcessive: Bool { takenBytes > spareBytes + usefulBytes * Self.perUsefulByte }
}
