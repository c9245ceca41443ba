/// The origin of a server: scheme, host and port (RFC 9110, 4.3.1).
package struct Origin: Sendable, Equatable {
    package enum Scheme: String, Sendable { case http, https }

    package let scheme: Scheme
    package let host: String
    package let port: Int

    package init(scheme: Scheme, host: String, port: Int) {
        self.scheme = scheme
        self.host = host
        self.port = port
    }

    /// `host:port`, with an IPv6 address in brackets.
    var hostAndPort: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// The host without the zone of an IPv6 address, which is meaningful only on this machine (RFC 9844, 4).
    package var hostWithoutZone: String {
        guard host.contains(":"), let percent = host.firstIndex(of: "%") else { return host }
        return String(host[..<percent])
    }

    /// The value of `:authority`: without the scheme's default port, with an IPv6 address in brackets.
    package var authority: String {
        let name = hostWithoutZone
        let host = name.contains(":") ? "[\(name)]" : name
        let defaultPort = scheme == .https ? 443 : 80
        return port == defaultPort ? host : "\(host):\(port)"
    }
}
