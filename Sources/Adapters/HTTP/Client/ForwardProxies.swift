import FoundationEssentials
import NIOCore

/// A forward proxy that opens tunnels by CONNECT (RFC 9110, 9.3.6).
package struct ForwardProxy: Sendable, Equatable {
    package let host: String
    package let port: Int

    /// The value of `Proxy-Authorization`; `nil` without user name and password.
    package let authorization: String?

    var hostAndPort: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Excludes the credentials from descriptions and mirrors.
extension ForwardProxy: CustomStringConvertible, CustomReflectable {
    package var description: String { hostAndPort }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// The proxy configuration of `HTTPS_PROXY` and `NO_PROXY`.
package struct ForwardProxies: Sendable {
    /// An invalid variable. Contains no part of its value, which may include a password.
    package enum Problem: Error, Equatable, CustomStringConvertible {
        case notAnAddress
        case schemeNotSupported

        package var description: String {
            switch self {
            case .notAnAddress: "HTTPS_PROXY is not an address such as http://proxy.example:3128"
            case .schemeNotSupported:
                "HTTPS_PROXY has to begin with http://: TLS to the proxy itself is not supported"
            }
        }
    }

    private enum Exception: Sendable {
        case everything
        case domain(String, port: Int?)
        case addresses(AddressRange, port: Int?)
    }

    package static let none = ForwardProxies(proxy: nil, exceptions: [])

    private let proxy: ForwardProxy?
    private let exceptions: [Exception]

    private init(proxy: ForwardProxy?, exceptions: [Exception]) {
        self.proxy = proxy
        self.exceptions = exceptions
    }

    /// - Parameters:
    ///   - httpsProxy: `http://user:password@host:port`; only the host is required. `nil` or empty: no proxy.
    ///   - noProxy: A comma-separated list of hosts to connect to directly: `*`, a domain (with its subdomains), an
    ///     address or an address range, each with an optional port.
    package init(httpsProxy: String?, noProxy: String?) throws(Problem) {
        let text = httpsProxy.map { String($0.trimmed) } ?? ""
        proxy = text.isEmpty ? nil : try Self.proxy(text)
        exceptions = (noProxy ?? "").split(separator: ",").compactMap { Self.exception(String($0.trimmed)) }
    }

    /// Reads `HTTPS_PROXY` and `NO_PROXY`, or their lower-case variants. An empty or blank variable counts as unset, since
    /// container platforms set empty variables.
    package init(environment: [String: String]) throws(Problem) {
        func value(_ name: String) -> String? {
            [name, name.lowercased()].compactMap { environment[$0] }.first { !$0.trimmed.isEmpty }
        }
        try self.init(httpsProxy: value("HTTPS_PROXY"), noProxy: value("NO_PROXY"))
    }

    private static func proxy(_ text: String) throws(Problem) -> ForwardProxy {
        let url = text.contains("://") ? text : "http://" + text
        guard let components = URLComponents(string: url), let scheme = components.scheme else { throw .notAnAddress }
        guard scheme.lowercased() == "http" else { throw .schemeNotSupported }
        guard let host = components.host?.filter({ $0 != "[" && $0 != "]" }), !host.isEmpty,
            components.path.isEmpty || components.path == "/", (1...65_535).contains(components.port ?? 80),
            host.utf8.allSatisfy(\.isASCIIVisible),
            // An unencoded `?` or `#` in a password would turn its first part into the host, which is shown in logs.
            components.query == nil, components.fragment == nil
        else { throw .notAnAddress }
        let authorization = components.user.map { user in
            "Basic " + Data("\(user):\(components.password ?? "")".utf8).base64EncodedString()
        }
        return ForwardProxy(host: host, port: components.port ?? 80, authorization: authorization)
    }

    private static func exception(_ text: String) -> Exception? {
        if text == "*" { return .everything }
        if let range = AddressRange(text) { return .addresses(range, port: nil) }
        var host = Substring(text)
        var port: Int?
        // A bracketed address without a port contains colons too.
        if !text.hasSuffix("]"), let colon = text.lastIndex(of: ":") {
            guard let number = AddressLiteral.port(text[text.index(after: colon)...]) else { return nil }
            port = Int(number)
            host = text[..<colon]
        }
        if let range = AddressRange(host.filter { $0 != "[" && $0 != "]" }) { return .addresses(range, port: port) }
        let domain = name(host.drop { $0 == "*" }.drop { $0 == "." })
        return domain.isEmpty ? nil : .domain(domain, port: port)
    }

    /// Normalises a name for comparison: lower case, without the trailing dot.
    private static func name(_ host: some StringProtocol) -> String {
        let name = host.lowercased()
        return name.hasSuffix(".") ? String(name.dropLast()) : name
    }

    /// The proxy for connections to `host`; `nil` to connect directly.
    package func proxy(forHost host: String, port: Int) -> ForwardProxy? {
        guard let proxy else { return nil }
        let name = Self.name(host)
        let address = AddressLiteral.address(host)
        let isException = exceptions.contains { exception in
            switch exception {
            case .everything: true
            case .domain(let domain, let onlyPort):
                (onlyPort ?? port) == port && (name == domain || name.hasSuffix("." + domain))
            case .addresses(let range, let onlyPort):
                (onlyPort ?? port) == port && (address.map(range.contains) ?? false)
            }
        }
        return isException ? nil : proxy
    }
}
