/// Compares received bytes with the payload they carried. A value.
package struct Overhead {
    private let spareBytes: Int
    private var takenBytes = 0
    private var usefulBytes = 0

    /// Received bytes allowed per payload byte. A one-byte DATA frame has 9 bytes of overhead and a one-byte TLS record
    /// about 24; both are rare.
    private static let perUsefulByte = 8

    /// - Parameter spareBytes: Received bytes allowed without any payload.
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
