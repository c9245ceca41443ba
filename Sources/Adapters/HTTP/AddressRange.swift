package import NIOCore

/// Addresses that begin alike: `10.0.0.0/8`, `2001:db8::/32`, or a single one (RFC 4632, RFC 4291).
package struct AddressRange: Sendable, Equatable {
    /// 16 bytes; an IPv4 address as IPv6 maps it (RFC 4291, 2.5.5.2), so that both ways to write it are one.
    private let prefix: [UInt8]
    private let prefixBits: Int

    /// `nil` unless `text` is an address, or an address, a slash and how many bits of it count. Bits behind those do not
    /// matter.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = Self.address(String(parts[0])), let bytes = Self.bytes(of: address)
        else { return nil }
        let isIPv4 = address.protocol == .inet
        var bits = 128
        if parts.count == 2 {
            let digits = parts[1].utf8
            guard (1...3).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
                let count = Int(parts[1]), count <= (isIPv4 ? 32 : 128)
            else { return nil }
            bits = isIPv4 ? count + 96 : count
        }
        prefixBits = bits
        prefix = Self.masked(bytes, to: bits)
    }

    /// Ranges with commas between them, blanks around them ignored. `nil` if one of them is none.
    package static func list(_ text: some StringProtocol) -> [AddressRange]? {
        var ranges: [AddressRange] = []
        guard text.contains(where: { $0 != " " }) else { return ranges }
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let range = AddressRange(part.trimmed) else { return nil }
            ranges.append(range)
        }
        return ranges
    }

    package func contains(_ address: SocketAddress) -> Bool {
        guard let bytes = Self.bytes(of: address) else { return false }
        return Self.masked(bytes, to: prefixBits) == prefix
    }

    /// Where machines reach only their neighbours, and clouds keep what hands out their keys: 169.254.0.0/16 (RFC 3927)
    /// and fe80::/10 (RFC 4291).
    static let linkLocal = ["169.254.0.0/16", "fe80::/10"].compactMap { AddressRange($0) }

    private static func address(_ text: String) -> SocketAddress? {
        // The C library would take a zone (`fe80::1%eth0`), which is no part of an address.
        guard !text.contains("%") else { return nil }
        return try? SocketAddress(ipAddress: text, port: 0)
    }

    private static func bytes(of address: SocketAddress) -> [UInt8]? {
        // Where the address lies in `sockaddr_in` and in `sockaddr_in6` (Linux: ip(7), ipv6(7)).
        switch address.protocol {
        case .inet: return [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF] + bytes(4..<8, of: address)
        case .inet6: return bytes(8..<24, of: address)
        default: return nil
        }
    }

    private static func bytes(_ range: Range<Int>, of address: SocketAddress) -> [UInt8] {
        address.withSockAddr { start, count in
            Array(UnsafeRawBufferPointer(start: start, count: count)[range])
        }
    }

    private static func masked(_ bytes: [UInt8], to bits: Int) -> [UInt8] {
        bytes.enumerated().map { index, byte in
            switch bits - index * 8 {
            case 8...: byte
            case ...0: 0
            case let kept: byte & ~(0xFF >> UInt8(kept))
            }
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
