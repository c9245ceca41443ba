import Adapters

/// The loopback addresses, which other machines cannot reach.
enum Loopback {
    /// Whether a host is certainly loopback.
    ///
    /// - Parameter host: A name or an address, with or without brackets.
    static func includes(_ host: String) -> Bool {
        if host.lowercased() == "localhost" { return true }
        guard let address = AddressLookup.literal(host, port: 0) else { return false }
        return ranges.contains { $0.contains(address) }
    }

    /// RFC 1122, 3.2.1.3; RFC 4291, 2.5.3.
    private static let ranges = ["127.0.0.0/8", "::1"].compactMap { AddressRange($0) }
}
