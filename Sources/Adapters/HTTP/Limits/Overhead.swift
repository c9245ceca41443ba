/// Compares received bytes with the payload they carried. A value.
package struct Overhead {
    private let spareBytes: Int
    private var receivedBytes = 0
    private var payloadBytes = 0

    /// Received bytes allowed per payload byte. A one-byte DATA frame has 9 bytes of overhead and a one-byte TLS record
    /// about 24; both are rare.
    private static let perPayloadByte = 8

    /// - Parameter spareBytes: Received bytes allowed without any payload.
    package init(spareBytes: Int) {
        self.spareBytes = spareBytes
    }

    package mutating func received(_ count: Int) {
        receivedBytes += count
    }

    package mutating func carriedPayload(_ count: Int) {
        payloadBytes += count
    }

    package var isExcessive: Bool { receivedBytes > spareBytes + payloadBytes * Self.perPayloadByte }
}
