package import NIOCore

/// Finds the client address behind trusted proxies, from `Forwarded` (RFC 7239) or `X-Forwarded-For`.
///
/// Each proxy appends its peer at the end, so the field is parsed backwards, byte by byte. The client controls the
/// beginning of the field; an unclosed quote there must not change how the elements of our own proxies are parsed.
package enum ForwardedField {
    /// The field that our proxies write. The other one is under the client's control and is ignored.
    package enum Name: String, Sendable, CaseIterable {
        case xForwardedFor = "x-forwarded-for"
        case forwarded
    }

    /// A longer chain of proxies is a forwarding loop.
    private static let elementsMax = 32

    private static let quote = UInt8(ascii: "\"")

    /// Returns the last address in the field that is not a trusted proxy.
    ///
    /// Elements before it are unverified and ignored. The search ends at an element that cannot be parsed.
    package static func client(
        forwarded: String?, xForwardedFor: String?, from peer: SocketAddress, trusted: [AddressRange]
    ) -> SocketAddress {
        func isTrusted(_ address: SocketAddress) -> Bool { trusted.contains { $0.contains(address) } }
        var nearest = peer
        guard isTrusted(peer), let field = forwarded ?? xForwardedFor else { return peer }
        var rest = Array(field.utf8)[...]
        for _ in 0..<elementsMax {
            guard let element = takeLast(of: &rest, at: ",", isQuotable: forwarded != nil),
                let node = forwarded == nil ? String(decoding: element, as: UTF8.self) : node(element),
                let address = address(node.trimmed)
            else { return nearest }
            nearest = address
            guard isTrusted(address) else { return address }
        }
        return nearest
    }

    /// The value of the single `for` parameter of an element, unquoted; `nil` if there is none or more than one.
    private static func node(_ element: ArraySlice<UInt8>) -> String? {
        var nodes: [String?] = []
        var rest = element
        while let pair = takeLast(of: &rest, at: ";", isQuotable: true) {
            let pair = String(decoding: pair, as: UTF8.self).trimmed
            guard pair.lowercased().hasPrefix("for=") else { continue }
            nodes.append(unquoted(pair.dropFirst(4)))
        }
        return nodes.count == 1 ? nodes[0] : nil
    }

    private static func unquoted(_ text: Substring) -> String? {
        guard text.first == "\"" else { return String(text) }
        guard text.count >= 2, text.last == "\"" else { return nil }
        return String(text.dropFirst().dropLast().replacing(/\\(.)/) { $0.output.1 })
    }

    /// Removes the last separator and the text after it, and returns that text; without a separator, all the text.
    ///
    /// Returns `nil` when nothing is left, or when a closing quote has no opening quote.
    ///
    /// - Parameter isQuotable: Whether separators inside quotes are ignored (RFC 9110, 5.6.4).
    private static func takeLast(
        of rest: inout ArraySlice<UInt8>, at separator: Unicode.Scalar, isQuotable: Bool
    ) -> ArraySlice<UInt8>? {
        var isQuoted = false
        for index in rest.indices.reversed() {
            if rest[index] == quote, isQuotable {
                // A closing quote is preceded by an even number of backslashes.
                let isEscaped = rest[..<index].reversed().prefix { $0 == UInt8(ascii: "\\") }.count % 2 == 1
                if !(isQuoted && isEscaped) { isQuoted.toggle() }
            } else if rest[index] == UInt8(ascii: separator), !isQuoted {
                defer { rest = rest[..<index] }
                return rest[(index + 1)...]
            }
        }
        defer { rest = [] }
        return isQuoted || rest.isEmpty ? nil : rest
    }

    /// Parses `192.0.2.7`, `192.0.2.7:443`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:443`; `nil` for obfuscated
    /// identifiers (RFC 7239, 6.3).
    private static func address(_ node: Substring) -> SocketAddress? {
        if node.first == "[" {
            guard let end = node.firstIndex(of: "]") else { return nil }
            let host = node[..<end].dropFirst()
            guard let port = port(node[end...].dropFirst()), host.contains(":") else { return nil }
            return AddressLiteral.address(host, port: port)
        }
        if let colon = node.firstIndex(of: ":"), node.lastIndex(of: ":") == colon {
            guard let port = port(node[colon...]) else { return nil }
            return AddressLiteral.address(node[..<colon], port: port)
        }
        return AddressLiteral.address(node)
    }

    /// Parses `:443`. Returns 0 for empty text and for an obfuscated port (RFC 7239, 6.3), `nil` for invalid text.
    private static func port(_ text: Substring) -> UInt16? {
        guard !text.isEmpty else { return 0 }
        guard text.first == ":" else { return nil }
        let port = text.dropFirst()
        return port.first == "_" ? 0 : AddressLiteral.port(port)
    }
}
