import FoundationEssentials
import NIOCore

/// A proxy that connects us to others (RFC 9110, 9.3.6).
package struct ForwardProxy: Sendable, Equatable {
    package let host: String
    package let port: Int

    /// The value of `Proxy-Authorization`, if the proxy wants to know who we are.
    package let authorization: String?

    var hostAndPort: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Neither who we are to the proxy nor anything made of it.
extension ForwardProxy: CustomStringConvertible, CustomReflectable {
    package var description: String { hostAndPort }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Which connections go through which proxy, as the variables `HTTPS_PROXY` and `NO_PROXY` say it.
package struct ForwardProxies: Sendable {
    /// What is wrong with the variables. Holds nothing of them: there may be a password in it.
    package enum Problem: Error, Equatable, CustomStringConvertible {
        case notAnAddress
        case schemeNotSupported

        package var description: String {
            switch self {
            case .notAnAddress: "HTTPS_PROXY is not an address such as http://proxy.example:3128"
            case .schemeNotSupported:
                "HTTPS_PROXY has to begin with http://: the proxy itself is spoken to in clear text"
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
    ///   - httpsProxy: `http://user:password@host:port`; all but the host may be left out. Nothing, or an empty text, is
    ///     no proxy.
    ///   - noProxy: What is connected to directly, with commas between: `*`, a domain and all below it, an address, a
    ///     range of addresses, each with or without a port.
    package init(httpsProxy: String?, noProxy: String?) throws(Problem) {
        let text = httpsProxy.map { String($0.trimmed) } ?? ""
        proxy = text.isEmpty ? nil : try Self.proxy(text)
        exceptions = (noProxy ?? "").split(separator: ",").compactMap { Self.exception(String($0.trimmed)) }
    }

    /// Reads `HTTPS_PROXY` and `NO_PROXY`, or else their names in lower case. A variable that is empty or blank counts as
    /// one that is not set: container platforms set variables to nothing.
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
            host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
            // With a password that was not encoded, its first half would be taken for the host, and shown as such.
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
        // Not the last colon of an address in brackets.
        if !text.hasSuffix("]"), let colon = text.lastIndex(of: ":") {
            guard let number = AddressLiteral.port(text[text.index(after: colon)...]) else { return nil }
            port = Int(number)
            host = text[..<colon]
        }
        if let range = AddressRange(host.filter { $0 != "[" && $0 != "]" }) { return .addresses(range, port: port) }
        let domain = name(host.drop { $0 == "*" }.drop { $0 == "." })
        return domain.isEmpty ? nil : .domain(domain, port: port)
    }

    /// As names are compared: in lower case, without the dot of the root.
    private static func name(_ host: some StringProtocol) -> String {
        let name = host.lowercased()
        return name.hasSuffix(".") ? String(name.dropLast()) : name
    }

    /// The proxy that connections to `host` go through; `nil` for none.
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
