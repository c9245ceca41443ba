import Adapters

/// An `http` or `https` URL without user information, query and fragment (RFC 3986).
struct HTTPURL: Sendable, Equatable {
    /// Why a text is not a URL that may be used.
    struct Problem: Error, CustomStringConvertible {
        let text: String
        let reason: String

        var description: String { "\"\(LogText.escaped(URLText.masked(text)))\" \(reason)" }
    }

    let origin: Origin

    /// As written; empty if the URL has none.
    let path: String

    var text: String { "\(origin.scheme.rawValue)://\(origin.authority)\(path)" }

    init(origin: Origin, path: String) {
        self.origin = origin
        self.path = path
    }

    /// An `https` URL.
    init(host: String, path: String) {
        self.init(origin: Origin(scheme: .https, host: host, port: 443), path: path)
    }

    /// - Parameters:
    ///   - example: A URL for the error message.
    ///   - isClearTextAllowed: Whether `http` is allowed for hosts other than loopback. A URL that credentials are sent
    ///     to must not allow it.
    init(
        parsing text: String, example: String = "https://host/path", isClearTextAllowed: Bool = false
    ) throws(Problem) {
        let malformed = "is not a URL such as \(example), without a password and a query"
        guard let separator = text.firstRange(of: "://"),
            let scheme = Origin.Scheme(rawValue: String(text[..<separator.lowerBound])),
            text.utf8.allSatisfy(Self.isAllowed)
        else { throw Problem(text: text, reason: malformed) }
        let rest = text[separator.upperBound...]
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        guard let (host, port) = Self.split(rest[..<end]) else { throw Problem(text: text, reason: malformed) }
        guard isClearTextAllowed || scheme == .https || Loopback.includes(host) else {
            throw Problem(text: text, reason: "would send credentials to another machine in clear text: use https")
        }
        let defaultPort = scheme == .https ? 443 : 80
        guard let number = port.isEmpty ? defaultPort : Int(port), (1...65_535).contains(number) else {
            throw Problem(text: text, reason: "has no port from 1 to 65535")
        }
        origin = Origin(scheme: scheme, host: host, port: number)
        path = String(rest[end...])
    }

    /// A URL with a parameter in braces in its path, once.
    ///
    /// - Parameter template: The parameter, with its braces.
    init(parsing text: String, template: String, example: String) throws(Problem) {
        let parts = text.split(separator: template, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw Problem(text: text, reason: "is not a URL with \(template) in its path, such as \(example)")
        }
        let beginning = try HTTPURL(parsing: String(parts[0]), example: example)
        // Checks the rest as well.
        let whole = try HTTPURL(parsing: parts.joined(separator: "0"), example: example)
        guard beginning.path.hasPrefix("/") else {
            throw Problem(text: text, reason: "is not a URL with \(template) in its path, such as \(example)")
        }
        self.init(origin: whole.origin, path: beginning.path + template + parts[1])
    }

    /// The host without the brackets of an IPv6 address, and the digits of the port; nil for anything else.
    private static func split(_ authority: Substring) -> (host: String, port: Substring)? {
        var host = authority
        var port = Substring()
        if let bracket = authority.lastIndex(of: "]") {
            guard authority.first == "[" else { return nil }
            host = authority[..<bracket].dropFirst()
            let tail = authority[authority.index(after: bracket)...]
            guard tail.isEmpty || tail.first == ":", host.contains(":") else { return nil }
            port = tail.dropFirst()
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            port = authority[authority.index(after: colon)...]
        }
        guard !host.isEmpty, !host.contains("["), port.allSatisfy(\.isWholeNumber) else { return nil }
        return (String(host), port)
    }

    /// Visible ASCII without the characters that RFC 3986 does not allow, and without `@`, `?` and `#`.
    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\\"), UInt8(ascii: "^"),
            UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"), UInt8(ascii: "@"),
            UInt8(ascii: "?"), UInt8(ascii: "#"):
            false
        case _: byte > 0x20 && byte < 0x7F
        }
    }
}

extension ZoomConfiguration.ServiceURL {
    /// - Parameter url: A slash at the end of its path is dropped: the paths of operations begin with one.
    init(_ url: HTTPURL) {
        self.init(origin: url.origin, path: url.path.hasSuffix("/") ? String(url.path.dropLast()) : url.path)
    }

    /// The same endpoint on another host: `host` or `host:port`.
    func on(_ host: String?) throws(HTTPURL.Problem) -> Self {
        guard let host else { return self }
        return Self(try HTTPURL(parsing: "\(origin.scheme.rawValue)://\(host)\(path)"))
    }
}
