import Adapters
import NIOCore
import Testing

@Suite("Address ranges")
struct AddressRangeTests {
    @Test(
        "a range contains the addresses with its prefix",
        arguments: [
            ("10.0.0.0/8", "10.255.1.2", true), ("10.0.0.0/8", "11.0.0.1", false),
            ("192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "203.0.113.9", true), ("0.0.0.0/0", "2001:db8::1", false),
            ("172.16.0.0/12", "172.31.255.255", true), ("172.16.0.0/12", "172.32.0.0", false),
            ("10.1.2.3/8", "10.200.0.1", true), ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false), ("::1", "::1", true), ("::/0", "127.0.0.1", true),
            // An IPv4-mapped IPv6 address counts as IPv4.
            ("10.0.0.0/8", "::ffff:10.1.1.1", true), ("::ffff:10.0.0.0/104", "10.1.1.1", true),
            ("::ffff:192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "::192.0.2.7", false),
        ])
    func contains(range: String, address: String, isIn: Bool) throws {
        let range = try #require(AddressRange(range))
        #expect(try range.contains(SocketAddress(ipAddress: address, port: 443)) == isIn)
    }

    @Test("a range contains no Unix domain sockets")
    func unix() throws {
        let everything = try #require(AddressRange("::/0"))
        #expect(try !everything.contains(SocketAddress(unixDomainSocketPath: "/tmp/socket")))
    }

    @Test(
        "a malformed range is refused",
        arguments: [
            "", " ", "10.0.0.0/33", "10.0.0.0/", "/8", "10.0.0.0/8/8", "10.0.0", "::/129", "::1%lo", "host",
            "10.0.0.0/-1",
            "10.0.0.0/+8", "10.0.0.0/8 ", "1.2.3.4:80", "10.0.0.0\0/8", "10.0.0.1\0", "010.0.0.1", "::1%1", "[::1]",
        ])
    func malformed(text: String) {
        #expect(AddressRange(text) == nil)
    }

    @Test("a list of ranges is refused if one range is malformed")
    func lists() throws {
        #expect(AddressRange.list("")?.isEmpty == true && AddressRange.list(" \t")?.isEmpty == true)
        #expect(AddressRange.list("10.0.0.0/8, ::1 ,192.0.2.1")?.count == 3)
        #expect(AddressRange.list("10.0.0.0/8,,::1") == nil && AddressRange.list("10.0.0.0/8,host") == nil)
    }
}
