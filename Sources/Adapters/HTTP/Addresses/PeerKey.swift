import NIOCore

/// The key by which connections of one peer are counted: an IPv4 address or an IPv6 /64 network.
///
/// A host can use any number of addresses in its /64 network (RFC 4291, 2.5.4).
struct PeerKey: Hashable {
    private let bits: UInt128

    /// `nil` for a Unix domain socket.
    init?(_ address: SocketAddress) {
        guard let bits = AddressRange.bits(of: address) else { return nil }
        let isIPv4 = bits >> 32 == 0xFFFF
        self.bits = isIPv4 ? bits : (bits >> 64) << 64
    }
}
