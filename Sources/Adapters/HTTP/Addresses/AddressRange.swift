package import NIOCore

/// A CIDR range of IP addresses, or a single address: `10.0.0.0/8`, `2001:db8::/32` (RFC 4632, RFC 4291).
package struct AddressRange: Sendable, Equatable {
    /// The network bits; the host bits are zero. IPv4 addresses are stored as IPv4-mapped IPv6 addresses
    /// (RFC 4291, 2.5.5.2), so that both notations compare equal.
    private let prefix: UInt128
    private let mask: UInt128

    /// Parses an address with an optional prefix length; `nil` if `text` is invalid. Host bits are ignored.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = AddressLiteral.address(parts[0]), let bits = Self.bits(of: address) else { return nil }
        let bitsMax = address.protocol == .inet ? 32 : 128
        var count = bitsMax
        if parts.count == 2 {
            let digits = parts[1].utf8
            guard (1...3).contains(digits.count), digits.allSatisfy(\.isASCIIDigit),
                let given = Int(parts[1]), given <= bitsMax
            else { return nil }
            count = given
        }
        mask = .max << (bitsMax - count)
        prefix = bits & mask
    }

    /// Parses a comma-separated list of ranges and ignores whitespace around them; `nil` if any of them is invalid.
    package static func list(_ text: some StringProtocol) -> [AddressRange]? {
        var ranges: [AddressRange] = []
        guard !text.trimmed.isEmpty else { return ranges }
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let range = AddressRange(part.trimmed) else { return nil }
            ranges.append(range)
        }
        return ranges
    }

    package func contains(_ address: SocketAddress) -> Bool {
        Self.bits(of: address).map { $0 & mask == prefix } ?? false
    }

    /// The link-local ranges 169.254.0.0/16 (RFC 3927) and fe80::/10 (RFC 4291). Cloud metadata services, which hand out
    /// credentials, have link-local addresses.
    static let linkLocal = ["169.254.0.0/16", "fe80::/10"].compactMap { AddressRange($0) }

    /// The address as a (mapped) IPv6 address; `nil` for a Unix domain socket.
    static func bits(of address: SocketAddress) -> UInt128? {
        // The offset of the address in `sockaddr_in` and in `sockaddr_in6` (Linux: ip(7), ipv6(7)).
        switch address {
        case .v4: 0xFFFF_0000_0000 | UInt128(UInt32(bigEndian: load(4, of: address)))
        case .v6: UInt128(bigEndian: load(8, of: address))
        case .unixDomainSocket: nil
        }
    }

    private static func load<Bits: FixedWidthInteger>(_ offset: Int, of address: SocketAddress) -> Bits {
        address.withSockAddr { start, count in
            UnsafeRawBufferPointer(start: start, count: count).loadUnaligned(fromByteOffset: offset, as: Bits.self)
        }
    }
}
