import NIOCore

/// Addresses that nobody on another machine reaches.
enum Loopback {
    /// Whether a host, a name or an address, with or without brackets, is one of them for certain.
    static func includes(_ host: String) -> Bool {
        let host = host.filter { $0 != "[" && $0 != "]" }
        if host == "localhost" { return true }
        guard let address = try? SocketAddress(ipAddress: host, port: 0) else { return false }
        return address.ipAddress == "::1" || address.ipAddress?.hasPrefix("127.") ?? false
    }
}
