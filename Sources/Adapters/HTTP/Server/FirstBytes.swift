package import NIOCore

/// What the first bytes of a connection in clear text say it speaks.
package enum FirstBytes: Equatable {
    case needsMore
    /// The client's preface (RFC 9113, 3.4).
    case http2
    /// A request line of HTTP/1.x.
    case http1
    /// Neither. Nothing is answered then: text would be a broken frame to whoever meant to speak HTTP/2, and to others
    /// it would be noise.
    case neither

    private static let emptyLine = Array("\r\n".utf8)
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    /// - Parameter lineBytesMax: A line longer than this is left to the parser of HTTP/1.1 to refuse.
    package static func decide(_ bytes: ByteBufferView, lineBytesMax: Int) -> FirstBytes {
        if bytes.starts(with: preface) { return .http2 }
        if preface.starts(with: bytes) { return .needsMore }
        // An empty line before a request is skipped (RFC 9112, 2.2), which a parser does.
        if emptyLine.starts(with: bytes) { return .needsMore }
        let text = bytes.starts(with: emptyLine) ? bytes.dropFirst(emptyLine.count) : bytes
        // A method is a token and begins with a letter here; what begins a TLS handshake, or nothing, does not.
        let method = text.prefix { $0 != UInt8(ascii: " ") }
        guard method.allSatisfy(isLetter), !method.isEmpty, method.count <= 32 else { return .neither }
        // Not looked for beyond, so that the decision is the same however the bytes are split.
        guard let lineEnd = text.prefix(lineBytesMax - (bytes.count - text.count)).firstIndex(of: UInt8(ascii: "\n"))
        else {
            return bytes.count >= lineBytesMax ? .http1 : .needsMore
        }
        var line = text[..<lineEnd]
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        let version = Array(line.suffix(9))
        let isHTTP1 = version.count == 9 && version.dropLast().elementsEqual(" HTTP/1.".utf8)
        return isHTTP1 && (0x30...0x39).contains(version[8]) ? .http1 : .neither
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"): true
        default: false
        }
    }
}
