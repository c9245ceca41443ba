package import NIOCore

/// Who the client is behind proxies that are trusted to say whom they forward for: `Forwarded` (RFC 7239) or, without
/// it, `X-Forwarded-For`.
package enum ForwardedField {
    /// Longer chains of proxies are looped.
    private static let elementsMax = 32

    /// The nearest address that is not one of ours. Each proxy adds its peer at the end, so that what stands before the
    /// first address not trusted is that one's mere word, and what cannot be read ends the search.
    package static func client(
        forwarded: String?, xForwardedFor: String?, from peer: SocketAddress, trusted: [AddressRange]
    ) -> SocketAddress {
        func isTrusted(_ address: SocketAddress) -> Bool { trusted.contains { $0.contains(address) } }
        var nearest = peer
        guard isTrusted(peer) else { return peer }
        let nodes = forwarded.map(nodes) ?? xForwardedFor.map { splitQuoted($0, at: ",").map { .some($0) } } ?? []
        for node in nodes.suffix(elementsMax).reversed() {
            guard let node, let address = address(node) else { return nearest }
            nearest = address
            guard isTrusted(address) else { return address }
        }
        return nearest
    }

    /// The `for` of each element, `nil` where there is none.
    private static func nodes(_ field: String) -> [String?] {
        splitQuoted(field, at: ",").map { element in
            for pair in splitQuoted(element, at: ";") {
                guard let equals = pair.firstIndex(of: "="), pair[..<equals].lowercased() == "for" else { continue }
                return unquoted(String(pair[pair.index(after: equals)...]))
            }
            return nil
        }
    }

    /// The parts between separators that are not inside quotes, without the blanks around them.
    private static func splitQuoted(_ text: String, at separator: Character) -> [String] {
        var parts: [String] = []
        var part = ""
        var isQuoted = false
        var isEscaped = false
        for character in text {
            if character == separator, !isQuoted {
                parts.append(String(part.trimmed))
                part = ""
                continue
            }
            if character == "\"", !isEscaped { isQuoted.toggle() }
            isEscaped = isQuoted && character == "\\" && !isEscaped
            part.append(character)
        }
        return parts + [String(part.trimmed)]
    }

    private static func unquoted(_ text: String) -> String? {
        guard text.first == "\"" else { return text }
        guard text.count >= 2, text.last == "\"" else { return nil }
        return String(text.dropFirst().dropLast()).replacing("\\", with: "")
    }

    /// `192.0.2.7`, `192.0.2.7:443`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`. `nil` for names made up to hide
    /// an address (RFC 7239, 6).
    private static func address(_ node: String) -> SocketAddress? {
        guard !node.contains("%") else { return nil }
        if node.first == "[" {
            guard let end = node.firstIndex(of: "]") else { return nil }
            let host = String(node[node.index(after: node.startIndex)..<end])
            guard let port = port(node[node.index(after: end)...]), host.contains(":") else { return nil }
            return try? SocketAddress(ipAddress: host, port: port)
        }
        if let colon = node.firstIndex(of: ":"), node.lastIndex(of: ":") == colon {
            guard let port = port(node[colon...]) else { return nil }
            return try? SocketAddress(ipAddress: String(node[..<colon]), port: port)
        }
        return try? SocketAddress(ipAddress: node, port: 0)
    }

    /// 0 for nothing; `nil` for what is no port.
    private static func port(_ text: Substring) -> Int? {
        guard !text.isEmpty else { return 0 }
        guard text.first == ":", (2...6).contains(text.utf8.count), let port = UInt16(text.dropFirst()) else {
            return nil
        }
        return Int(port)
    }
}
