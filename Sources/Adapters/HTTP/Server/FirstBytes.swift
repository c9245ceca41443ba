package import NIOCore

/// The HTTP version detected from the first bytes of a clear-text connection.
package enum FirstBytes: Equatable {
    case needsMore
    /// The client's preface (RFC 9113, 3.4).
    case http2
    /// A request line of HTTP/1.x.
    case http1
    /// Neither. No response is sent: a peer that speaks HTTP/2 would see a malformed frame, and others would not
    /// understand it either.
    case neither

    private static let emptyLine = Array("\r\n".utf8)
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    /// - Parameter lineBytesMax: A longer line is passed to the HTTP/1.1 parser, which rejects it.
    package static func decide(_ bytes: ByteBufferView, lineBytesMax: Int) -> FirstBytes {
        if bytes.starts(with: preface) { return .http2 }
        if preface.starts(with: bytes) { return .needsMore }
        // The parser skips an empty line before a request (RFC 9112, 2.2).
        if emptyLine.starts(with: bytes) { return .needsMore }
        let text = bytes.starts(with: emptyLine) ? bytes.dropFirst(emptyLine.count) : bytes
        // Accepts methods of letters and hyphens only. A TLS handshake does not start with a letter.
        let method = text.prefix { $0 != UInt8(ascii: " ") }
        guard method.allSatisfy({ $0.isASCIILetter || $0 == UInt8(ascii: "-") }), !method.isEmpty, method.count <= 32
        else { return .neither }
        // The search ends at `lineBytesMax`, so that the decision does not depend on how the bytes are split.
        guard let lineEnd = text.prefix(lineBytesMax - (bytes.count - text.count)).firstIndex(of: UInt8(ascii: "\n"))
        else {
            return bytes.count >= lineBytesMax ? .http1 : .needsMore
        }
        var line = text[..<lineEnd]
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        let version = Array(line.suffix(9))
        let isHTTP1 = version.count == 9 && version.dropLast().elementsEqual(" HTTP/1.".utf8)
        return isHTTP1 && version[8].isASCIIDigit ? .http1 : .neither
    }
}
