/// Where requests go: a scheme, a host and a port (RFC 9110, 4.3.1).
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

    /// With the port, whichever it is; an IPv6 address in brackets.
    var hostAndPort: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// As it stands in `:authority`: without the port that the scheme implies, an IPv6 address in brackets.
    package var authority: String {
        let host = host.contains(":") ? "[\(host)]" : host
        let defaultPort = scheme == .https ? 443 : 80
        return port == defaultPort ? host : "\(host):\(port)"
    }
}
