import NIOCore

/// An IP address as text: `192.0.2.7`, `2001:db8::7`.
enum AddressLiteral {
    /// Parses an address; `nil` for any other text.
    ///
    /// Rejects names, addresses with a zone (`fe80::1%eth0`), which are valid on one machine only, and text with a NUL
    /// byte, at which the C library would stop reading.
    static func address(_ text: some StringProtocol, port: UInt16 = 0) -> SocketAddress? {
        let isPlain = text.utf8.allSatisfy { byte in
            byte == UInt8(ascii: ".") || byte == UInt8(ascii: ":") || Hexadecimal.value(of: byte) != nil
        }
        return isPlain ? try? SocketAddress(ipAddress: String(text), port: Int(port)) : nil
    }

    /// Parses a port number. Accepts digits only; `UInt16.init` would also accept a sign.
    static func port(_ text: some StringProtocol) -> UInt16? {
        text.utf8.allSatisfy(\.isASCIIDigit) ? UInt16(text) : nil
    }
}
