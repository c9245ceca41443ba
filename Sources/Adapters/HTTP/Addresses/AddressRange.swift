package import NIOCore

/// Addresses that begin alike: `10.0.0.0/8`, `2001:db8::/32`, or a single one (RFC 4632, RFC 4291).
package struct AddressRange: Sendable, Equatable {
    /// Zero behind the bits that count. An IPv4 address is what IPv6 maps it to (RFC 4291, 2.5.5.2), so that both ways to
    /// write it are one.
    private let prefix: UInt128
    private let mask: UInt128

    /// `nil` unless `text` is an address, or an address, a slash and how many bits of it count. Bits behind those do not
    /// matter.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = AddressLiteral.address(parts[0]), let bits = Self.bits(of: address) else { return nil }
        let bitsMax = address.protocol == .inet ? 32 : 128
        var count = bitsMax
        if parts.count == 2 {
            let digits = parts[1].utf8
            guard (1...3).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
                let given = Int(parts[1]), given <= bitsMax
            else { return nil }
            count = given
        }
        mask = .max << (bitsMax - count)
        prefix = bits & mask
    }

    /// Ranges with commas between them, blanks around them ignored. `nil` if one of them is none.
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

    /// Where machines reach only their neighbours, and clouds keep what hands out their keys: 169.254.0.0/16 (RFC 3927)
    /// and fe80::/10 (RFC 4291).
    static let linkLocal = ["169.254.0.0/16", "fe80::/10"].compactMap { AddressRange($0) }

    /// `nil` for a socket that is a file.
    static func bits(of address: SocketAddress) -> UInt128? {
        // Where the address lies in `sockaddr_in` and in `sockaddr_in6` (Linux: ip(7), ipv6(7)).
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

extension StringProtocol {
    /// Without the blanks around it.
    var trimmed: SubSequence {
        let start = drop { $0 == " " || $0 == "\t" }
        let end = start.lastIndex { $0 != " " && $0 != "\t" }
        return end.map { start[...$0] } ?? start
    }
}
