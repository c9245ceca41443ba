package import Domain

/// The target of a redirect (RFC 9110, 10.2.2), if it may be followed: to an allowed host, encrypted, without a user name.
package struct RedirectTarget: Sendable, Equatable {
    /// A host that redirects may lead to.
    package struct Host: Sendable, Equatable {
        package let name: String

        /// `nil` for the default port of the scheme.
        package let port: Int?

        /// - Parameter text: `host` or `host:port`; an IPv6 address in brackets. `nil` for any other text.
        package init?(_ text: String) {
            guard text.utf8.allSatisfy(RedirectTarget.isAllowed),
                !text.utf8.contains(where: { [UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#")].contains($0) }),
                let (name, port) = RedirectTarget.split(text[...])
            else { return nil }
            self.name = name
            self.port = port
        }

        fileprivate func includes(_ origin: Origin) -> Bool {
            let defaultPort = origin.scheme == .https ? 443 : 80
            return origin.host == name && origin.port == port ?? defaultPort
        }
    }

    package let origin: Origin

    /// The path and the query.
    package let target: String

    /// A longer `Location` is no address of a file: signed ones have some 2,000 characters.
    private static let lengthMax = 8000

    /// - Parameters:
    ///   - location: The value of `Location`: an absolute URL, or a path of the same host.
    ///   - base: The origin that redirects. It may redirect to itself, and from `http` to `http`.
    package init(
        _ location: String, from base: Origin, allowed hosts: [Host]
    ) throws(BillingFailure.RedirectProblem) {
        (origin, target) = try Self.parse(location, from: base)
        guard origin.scheme == .https || base.scheme == .http else { throw .notEncrypted }
        let isSame = origin.host == base.host.lowercased() && origin.port == base.port
        guard isSame || hosts.contains(where: { $0.includes(origin) }) else { throw .forbiddenHost }
    }

    /// The origin of a `Location`, for logs: the rest of it may hold secrets. `nil` if it cannot be read.
    package static func origin(of location: String, from base: Origin) -> String? {
        (try? parse(location, from: base)).map { "\($0.0.scheme.rawValue)://\($0.0.authority)" }
    }

    private static func parse(
        _ location: String, from base: Origin
    ) throws(BillingFailure.RedirectProblem) -> (Origin, target: String) {
        guard location.utf8.count <= lengthMax, location.utf8.allSatisfy(isAllowed) else { throw .malformed }
        let rest: Substring
        var scheme = base.scheme
        if location.hasPrefix("//") {
            rest = location.dropFirst(2)
        } else if location.hasPrefix("/") {
            return (base, String(location.prefix { $0 != "#" }))
        } else {
            guard let separator = location.firstRange(of: "://"),
                let named = Origin.Scheme(rawValue: location[..<separator.lowerBound].lowercased())
            else { throw .malformed }
            scheme = named
            rest = location[separator.upperBound...]
        }
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard !authority.contains("@"), let (host, port) = split(authority) else { throw .malformed }
        let target = rest[authority.endIndex...].prefix { $0 != "#" }
        let origin = Origin(scheme: scheme, host: host, port: port ?? (scheme == .https ? 443 : 80))
        return (origin, target.hasPrefix("/") ? String(target) : "/\(target)")
    }

    /// The host in lower case without the brackets of an IPv6 address, and the port.
    private static func split(_ authority: Substring) -> (host: String, port: Int?)? {
        var host = authority
        var port: Substring?
        if authority.first == "[" {
            guard let bracket = authority.firstIndex(of: "]") else { return nil }
            host = authority[..<bracket].dropFirst()
            let tail = authority[authority.index(after: bracket)...]
            guard tail.isEmpty || tail.first == ":", host.contains(":") else { return nil }
            port = tail.isEmpty ? nil : tail.dropFirst()
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            port = authority[authority.index(after: colon)...]
        }
        guard !host.isEmpty, host.utf8.count <= 255, host.utf8.allSatisfy(isHostByte) else { return nil }
        guard let port else { return (host.lowercased(), nil) }
        guard port.utf8.allSatisfy(\.isASCIIDigit), let number = Int(port), (1...65_535).contains(number) else {
            return nil
        }
        return (host.lowercased(), number)
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        byte.isASCIILetterOrDigit
            || [UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":")].contains(byte)
    }

    /// Visible ASCII without the characters that RFC 3986 does not allow.
    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\\"), UInt8(ascii: "^"),
            UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"):
            false
        default: byte.isASCIIVisible
        }
    }
}
