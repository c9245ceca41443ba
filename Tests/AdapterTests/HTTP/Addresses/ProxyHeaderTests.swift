import Adapters
import DomainFakes
import NIOCore
import Testing

@Suite("PROXY protocol header")
struct ProxyHeaderTests {
    struct Header: CustomTestStringConvertible {
        let name: String
        let bytes: [UInt8]
        /// The source address; nil if the socket's address applies.
        let source: String?
        var testDescription: String { name }

        init(_ name: String, _ bytes: [UInt8], source: String?) {
            self.name = name
            self.bytes = bytes
            self.source = source
        }
    }

    private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]

    private static func block(
        version: UInt8 = 2, command: UInt8 = 1, family: UInt8, _ body: [UInt8], length: Int? = nil
    ) -> [UInt8] {
        let length = length ?? body.count
        return signature + [version << 4 | command, family, UInt8(length >> 8), UInt8(length & 0xFF)] + body
    }

    private static let ipv4: [UInt8] = [192, 0, 2, 7, 10, 0, 0, 1, 0x1F, 0x90, 0x01, 0xBB]
    private static let ipv6: [UInt8] =
        [0x20, 1, 0xD, 0xB8] + Array(repeating: 0, count: 11) + [9] + Array(repeating: 0, count: 15) + [
            1, 0, 80, 1, 187,
        ]

    private static let headers = [
        Header("version 1, IPv4", Array("PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\r\n".utf8), source: "192.0.2.7"),
        Header("version 1, IPv6", Array("PROXY TCP6 2001:db8::9 ::1 1 65535\r\n".utf8), source: "2001:db8::9"),
        Header("version 1, port 0", Array("PROXY TCP4 192.0.2.7 10.0.0.1 0 443\r\n".utf8), source: "192.0.2.7"),
        Header("version 1, UNKNOWN", Array("PROXY UNKNOWN\r\n".utf8), source: nil),
        Header("version 1, UNKNOWN with addresses", Array("PROXY UNKNOWN ffff::1 x 1 2\r\n".utf8), source: nil),
        Header("version 2, IPv4", block(family: 0x11, ipv4), source: "192.0.2.7"),
        Header("version 2, IPv6", block(family: 0x21, ipv6), source: "2001:db8::9"),
        Header("version 2, with an extension", block(family: 0x11, ipv4 + [4, 0, 3, 1, 2, 3]), source: "192.0.2.7"),
        Header(
            "version 2, maximum length", block(family: 0x11, ipv4 + Array(repeating: 4, count: 508)),
            source: "192.0.2.7"),
        Header("version 2, LOCAL", block(command: 0, family: 0x11, ipv4), source: nil),
        Header("version 2, LOCAL without addresses", block(command: 0, family: 0, []), source: nil),
        Header("version 2, unspecified family", block(family: 0, []), source: nil),
        Header("version 2, Unix domain socket", block(family: 0x31, Array(repeating: 0, count: 216)), source: nil),
    ]

    private static func find(_ bytes: [UInt8]) -> ProxyHeader.Found {
        ProxyHeader.find(in: ByteBuffer(bytes: bytes).readableBytesView)
    }

    @Test("a header is found whatever follows it, and every prefix needs more bytes", arguments: headers)
    func found(header: Header) throws {
        for rest in [[], Array("GET / HTTP/1.1\r\n\r\n".utf8), header.bytes] {
            guard case .header(let source, let length) = Self.find(header.bytes + rest) else {
                Issue.record("not found")
                return
            }
            #expect(length == header.bytes.count && source?.ipAddress == header.source)
        }
        for count in 0..<header.bytes.count {
            #expect(Self.find(Array(header.bytes.prefix(count))) == .needsMore, "after \(count) bytes")
        }
    }

    private static let wrong: [Header] = [
        Header("a request", Array("GET / HTTP/1.1\r\n".utf8), source: nil),
        Header("no carriage return", Array("PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\n".utf8), source: nil),
        Header("an IPv6 address in TCP4", Array("PROXY TCP4 ::1 ::1 1 2\r\n".utf8), source: nil),
        Header("an IPv4 address in TCP6", Array("PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n".utf8), source: nil),
        Header("two spaces", Array("PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n".utf8), source: nil),
        Header("a port above 65535", Array("PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n".utf8), source: nil),
        Header("a port with a leading zero", Array("PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n".utf8), source: nil),
        Header("a host name", Array("PROXY TCP4 localhost 10.0.0.1 1 2\r\n".utf8), source: nil),
        Header("an address with a zone", Array("PROXY TCP6 fe80::1%lo ::1 1 2\r\n".utf8), source: nil),
        Header("a zero byte", Array("PROXY TCP4 192.0.2.7\0 10.0.0.1 1 2\r\n".utf8), source: nil),
        Header("an unsupported transport", Array("PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n".utf8), source: nil),
        Header("a line without end", Array("PROXY TCP4 ".utf8) + Array(repeating: 0x31, count: 97), source: nil),
        Header("version 1 in the binary header", block(version: 1, family: 0x11, ipv4), source: nil),
        Header("version 3", block(version: 3, family: 0x11, ipv4), source: nil),
        Header("an unknown command", block(command: 2, family: 0x11, ipv4), source: nil),
        Header("an unknown family", block(family: 0x41, ipv4), source: nil),
        Header("a length too short for IPv6 addresses", block(family: 0x21, ipv4), source: nil),
        Header(
            "a length too short for the addresses of datagrams", block(family: 0x12, Array(ipv4.dropLast())),
            source: nil),
        Header("a length too short for Unix paths", block(family: 0x31, Array(repeating: 0, count: 215)), source: nil),
        Header("too long", block(family: 0x11, ipv4, length: 521), source: nil),
    ]

    @Test("a malformed header is refused", arguments: wrong)
    func malformed(header: Header) {
        #expect(Self.find(header.bytes) == .malformed)
    }

    @Test("mutated headers are never read beyond their bytes")
    func mutated() {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(seed: seed)
        for _ in 0..<50_000 {
            var bytes = Self.headers[Int.random(in: 0..<Self.headers.count, using: &random)].bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
            }
            bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
            if case .header(_, let length) = Self.find(bytes), length > bytes.count {
                Issue.record("\(length) of \(bytes), seed \(seed)")
            }
        }
    }
}
