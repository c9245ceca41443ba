package import NIOCore

/// Parses the PROXY protocol header, versions 1 and 2, that a load balancer sends first on a connection
/// (HAProxy: The PROXY protocol).
package enum ProxyHeader {
    package enum Found: Equatable {
        /// The bytes are an incomplete header.
        case needsMore
        case malformed
        /// - Parameters:
        ///   - source: The client of the balancer; `nil` for the balancer's own connections (health checks) and for
        ///     `UNKNOWN`.
        ///   - length: The header's length in bytes.
        case header(source: SocketAddress?, length: Int)
    }

    private static let signature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]
    private static let prefix = Array("PROXY ".utf8)

    /// The longest header of version 1, with its line end.
    private static let lineBytesMax = 107

    /// The longest accepted header of version 2: addresses and some extensions (TLVs), which are ignored.
    private static let blockBytesMax = 536

    /// Parses the first bytes of a connection without consuming them.
    package static func find(in bytes: ByteBufferView) -> Found {
        let bytes = bytes.prefix(blockBytesMax)
        if bytes.first == signature.first { return findBlock(in: Array(bytes)) }
        return findLine(in: Array(bytes.prefix(lineBytesMax)))
    }

    // MARK: Version 1

    private static func findLine(in bytes: [UInt8]) -> Found {
        guard bytes.starts(with: prefix) else {
            return prefix.starts(with: bytes) ? .needsMore : .malformed
        }
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else {
            return bytes.count < lineBytesMax ? .needsMore : .malformed
        }
        guard bytes[end - 1] == UInt8(ascii: "\r") else { return .malformed }
        let line = String(decoding: bytes[prefix.count..<end - 1], as: UTF8.self)
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        // The specification: a receiver must ignore all text after UNKNOWN.
        if words.first == "UNKNOWN" { return .header(source: nil, length: end + 1) }
        guard words.count == 5, let sourcePort = port(words[3]), port(words[4]) != nil,
            let source = AddressLiteral.address(words[1], port: sourcePort),
            let destination = AddressLiteral.address(words[2])
        else { return .malformed }
        switch (words[0], source, destination) {
        case ("TCP4", .v4, .v4), ("TCP6", .v6, .v6): return .header(source: source, length: end + 1)
        default: return .malformed
        }
    }

    private static func port(_ text: Substring) -> UInt16? {
        text == "0" || text.first != "0" ? AddressLiteral.port(text) : nil
    }

    // MARK: Version 2

    private static func findBlock(in bytes: [UInt8]) -> Found {
        guard bytes.starts(with: signature) else {
            return signature.starts(with: bytes) ? .needsMore : .malformed
        }
        guard bytes.count >= 16 else {
            // An invalid version is detected before the header is complete.
            if bytes.count > 12, bytes[12] >> 4 != 2 { return .malformed }
            return .needsMore
        }
        let length = 16 + Int(bytes[14]) << 8 + Int(bytes[15])
        guard bytes[12] >> 4 == 2, bytes[12] & 0xF <= 1, length <= blockBytesMax else { return .malformed }
        guard bytes.count >= length else { return .needsMore }
        let isLocal = bytes[12] & 0xF == 0
        let body = bytes[16..<length]
        switch (isLocal, bytes[13]) {
        case (true, _), (false, 0x00): return .header(source: nil, length: length)
        // TCP over IPv4 and IPv6: two addresses, then two ports.
        case (false, 0x11): return source(body, addressBytes: 4, length)
        case (false, 0x21): return source(body, addressBytes: 16, length)
        // UDP over IPv4 and IPv6, and Unix sockets with two paths: they identify no TCP peer.
        case (false, 0x12) where body.count >= 12, (false, 0x22) where body.count >= 36,
            (false, 0x31) where body.count >= 216, (false, 0x32) where body.count >= 216:
            return .header(source: nil, length: length)
        default: return .malformed
        }
    }

    private static func source(_ body: ArraySlice<UInt8>, addressBytes: Int, _ length: Int) -> Found {
        guard body.count >= 2 * addressBytes + 4 else { return .malformed }
        let portAt = body.startIndex + 2 * addressBytes
        let port = Int(body[portAt]) << 8 | Int(body[portAt + 1])
        let packed = ByteBuffer(bytes: body.prefix(addressBytes))
        guard let source = try? SocketAddress(packedIPAddress: packed, port: port) else { return .malformed }
        return .header(source: source, length: length)
    }
}
