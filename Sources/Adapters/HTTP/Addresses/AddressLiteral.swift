import NIOCore

/// An IP address as text: `192.0.2.7`, `2001:db8::7`.
enum AddressLiteral {
    /// `nil` for anything else, such as a name, an address in a zone (`fe80::1%eth0`), which only means something on one
    /// machine, or one that ends early at a zero byte, where the C library stops reading.
    static func address(_ text: some StringProtocol, port: UInt16 = 0) -> SocketAddress? {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
                UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: "."), UInt8(ascii: ":"):
                true
            default: false
            }
        }
        return isPlain ? try? SocketAddress(ipAddress: String(text), port: Int(port)) : nil
    }

    /// Digits alone, where `UInt16` would take a sign.
    static func port(_ text: some StringProtocol) -> UInt16? {
        text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? UInt16(text) : nil
    }
}
