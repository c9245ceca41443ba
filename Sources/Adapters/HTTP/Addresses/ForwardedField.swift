package import NIOCore

/// Who the client is behind proxies that are trusted to say whom they forward for: `Forwarded` (RFC 7239) or, without
/// it, `X-Forwarded-For`.
///
/// Each proxy adds its peer at the end. So the field is read from there, byte by byte: whatever stands before what our
/// own proxies wrote, such as a quote that it leaves open, must not change how theirs is read.
package enum ForwardedField {
    /// Which of the two our proxies write. The other is whatever the client made it.
    package enum Name: String, Sendable, CaseIterable {
        case xForwardedFor = "x-forwarded-for"
        case forwarded
    }

    /// Longer chains of proxies are looped.
    private static let elementsMax = 32

    private static let quote = UInt8(ascii: "\"")

    /// The nearest address that is not one of ours. What stands before it is that one's mere word, and what cannot be read
    /// ends the search.
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

    /// The one `for` of an element, without its quotes; `nil` where there is none.
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

    /// Takes what is behind the last separator, or all if there is none; the separator goes too. `nil` when nothing is
    /// left, or a quote at the end has no beginning.
    ///
    /// - Parameter isQuotable: Whether separators inside quotes are none (RFC 9110, 5.6.4).
    private static func takeLast(
        of rest: inout ArraySlice<UInt8>, at separator: Unicode.Scalar, isQuotable: Bool
    ) -> ArraySlice<UInt8>? {
        var isQuoted = false
        for index in rest.indices.reversed() {
            if rest[index] == quote, isQuotable {
                // Where a quoted text ends there is no backslash before the quote, or an even number of them.
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

    /// `192.0.2.7`, `192.0.2.7:443`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`. `nil` for names made up to hide
    /// an address (RFC 7239, 6).
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

    /// 0 for nothing, and for a name made up to hide the port; `nil` for what is no port.
    private static func port(_ text: Substring) -> UInt16? {
        guard !text.isEmpty else { return 0 }
        guard text.first == ":" else { return nil }
        let port = text.dropFirst()
        return port.first == "_" ? 0 : AddressLiteral.port(port)
    }
}
