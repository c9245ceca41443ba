import NIOCore

/// An address as one peer: those of IPv6 by their network, in which one host has as many as it likes (RFC 4291, 2.5.4).
struct PeerKey: Hashable {
    private let bits: UInt128

    /// `nil` for a socket that is a file.
    init?(_ address: SocketAddress) {
        guard let bits = AddressRange.bits(of: address) else { return nil }
        let isIPv4 = bits >> 32 == 0xFFFF
        self.bits = isIPv4 ? bits : (bits >> 64) << 64
    }
}
