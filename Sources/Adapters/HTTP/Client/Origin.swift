/// The origin of a server: scheme, host and port (RFC 9110, 4.3.1).
package struct Origin: Sendable, Equatable {
    package enum Scheme: String, Sendable { case http, https }

    package let scheme: Scheme
    package let host: String
    package let port: Int

    /// The value of `:authority`: without the scheme's default port, with an IPv6 address in brackets.
    package let authority: String

    package init(scheme: Scheme, host: String, port: Int) {
        self.scheme = scheme
        self.host = host
        self.port = port
        let name = Self.withoutZone(host)
        let bracketed = name.contains(":") ? "[\(name)]" : name
        authority = port == (scheme == .https ? 443 : 80) ? bracketed : "\(bracketed):\(port)"
    }

    /// `host:port`, with an IPv6 address in brackets.
    var hostAndPort: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// The host without the zone of an IPv6 address, which is meaningful only on this machine (RFC 9844, 4).
    package var hostWithoutZone: String { Self.withoutZone(host) }

    private static func withoutZone(_ host: String) -> String {
        guard host.contains(":"), let percent = host.firstIndex(of: "%") else { return host }
        return String(host[..<percent])
    }
}
