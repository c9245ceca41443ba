/// Masks the secrets in URLs before they are shown.
enum URLText {
    private static let mask = "****"

    /// The text without user information, query and fragment (RFC 3986, 3). It need not be a valid URL.
    ///
    /// An unencoded password may contain `/`, `?` and `#`, so everything before the last `@` counts as user information.
    /// Text after a colon that is not a port may be a password too.
    static func masked(_ text: String) -> String {
        var scheme = Substring()
        var rest = text[...]
        if let separator = text.firstRange(of: "://") {
            scheme = text[..<separator.upperBound]
            rest = text[separator.upperBound...]
        }
        if scheme.contains("@") { return mask }
        var masked = String(scheme)
        if let at = rest.lastIndex(of: "@") {
            masked += mask
            rest = rest[at...]
        }
        let (main, tail) = split(rest, at: rest.firstIndex { $0 == "?" || $0 == "#" })
        let (authority, path) = split(main, at: main.firstIndex(of: "/"))
        masked += withoutPassword(authority) + path
        if let first = tail.first { masked += String(first) + mask }
        return masked
    }

    /// Masks all URLs in a longer text, such as an error about an argument.
    static func maskingURLs(in text: String) -> String {
        text.replacing(/[A-Za-z][A-Za-z0-9+.\-]*:\/\/[^\s"'<>]*|[^\s"'<>]+:[^\s"'<>]*@[^\s"'<>]*/) {
            masked(String($0.output))
        }
    }

    private static func split(_ text: Substring, at index: Substring.Index?) -> (Substring, Substring) {
        guard let index else { return (text, "") }
        return (text[..<index], text[index...])
    }

    private static func withoutPassword(_ authority: Substring) -> String {
        // Colons in brackets belong to an IPv6 address.
        let start = authority.lastIndex(of: "]") ?? authority.startIndex
        guard let colon = authority[start...].firstIndex(of: ":") else { return String(authority) }
        let port = authority[authority.index(after: colon)...]
        return port.allSatisfy(\.isNumber) ? String(authority) : String(authority[...colon]) + mask
    }
}
