import NIOCore

/// A subject alternative name of a certificate (RFC 5280, 4.2.1.6) with its type as a prefix: `DNS:app.example`.
package enum CertificateName {
    /// Returns the canonical form of a name, so that equivalent names compare equal: hosts and schemes in lower case
    /// (RFC 4343; RFC 3986, 6.2.2.1; RFC 5280, 7.5), IPv6 addresses as in RFC 5952. Other text is unchanged.
    package static func canonical(_ name: String) -> String {
        guard let colon = name.firstIndex(of: ":") else { return name }
        let kind = name[...colon]
        let value = name[name.index(after: colon)...]
        switch kind {
        case "DNS:": return kind + host(value)
        case "IP:": return kind + (AddressLiteral.address(value)?.ipAddress ?? String(value))
        case "email:":
            guard let at = value.lastIndex(of: "@") else { return name }
            return kind + value[...at] + host(value[value.index(after: at)...])
        case "URI:": return kind + uri(value)
        default: return name
        }
    }

    private static func host(_ text: Substring) -> String {
        let text = text.lowercased()
        return text.hasSuffix(".") ? String(text.dropLast()) : text
    }

    private static func uri(_ text: Substring) -> String {
        guard let separator = text.firstRange(of: "://") else {
            // For example `urn:`, of which only the scheme is case-insensitive.
            guard let colon = text.firstIndex(of: ":") else { return String(text) }
            return text[..<colon].lowercased() + text[colon...]
        }
        let rest = text[separator.upperBound...]
        let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        let authority = rest[..<end]
        let start = authority.lastIndex(of: "@").map { authority.index(after: $0) } ?? authority.startIndex
        return text[..<separator.lowerBound].lowercased() + "://" + authority[..<start]
            + authority[start...].lowercased() + rest[end...]
    }
}
