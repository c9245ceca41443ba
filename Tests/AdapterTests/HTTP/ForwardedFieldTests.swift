import Adapters
import NIOCore
import Testing

@Suite("The client behind proxies")
struct ForwardedFieldTests {
    struct Case: CustomTestStringConvertible {
        var forwarded: String?
        var xForwardedFor: String?
        var peer = "10.0.0.1"
        let client: String
        var testDescription: String { "\(forwarded ?? "-") | \(xForwardedFor ?? "-") from \(peer)" }
    }

    private static let cases = [
        Case(client: "10.0.0.1"),
        Case(xForwardedFor: "203.0.113.9", client: "203.0.113.9"),
        // What stands before the first address that is not ours is that one's mere word.
        Case(xForwardedFor: "198.51.100.1, 203.0.113.9", client: "203.0.113.9"),
        Case(xForwardedFor: "203.0.113.9, 10.0.0.7,10.0.0.8", client: "203.0.113.9"),
        Case(xForwardedFor: "10.0.0.7, 10.0.0.8", client: "10.0.0.7"),
        Case(xForwardedFor: "203.0.113.9", peer: "192.0.2.1", client: "192.0.2.1"),
        Case(forwarded: "for=203.0.113.9", peer: "192.0.2.1", client: "192.0.2.1"),
        Case(forwarded: "for=203.0.113.9;proto=https;by=10.0.0.1", client: "203.0.113.9"),
        Case(forwarded: "proto=https; For=\"203.0.113.9:4711\"", client: "203.0.113.9"),
        Case(forwarded: "for=\"[2001:db8::7]\"", client: "2001:db8::7"),
        Case(forwarded: "for=\"[2001:db8::7]:443\", for=10.0.0.8", client: "2001:db8::7"),
        Case(forwarded: "for=203.0.113.9", xForwardedFor: "198.51.100.1", client: "203.0.113.9"),
        // Hidden, made up or broken: as near as we can see.
        Case(forwarded: "for=203.0.113.9, for=_hidden, for=10.0.0.8", client: "10.0.0.8"),
        Case(forwarded: "for=unknown", client: "10.0.0.1"),
        Case(forwarded: "for=203.0.113.9, by=10.0.0.8", client: "10.0.0.1"),
        Case(forwarded: "", client: "10.0.0.1"),
        Case(forwarded: "for=\"203.0.113.9", client: "10.0.0.1"),
        Case(forwarded: "for=203.0.113.9, for=\"a,b\"", client: "10.0.0.1"),
        Case(xForwardedFor: "203.0.113.9, x", client: "10.0.0.1"),
        Case(xForwardedFor: "fe80::1%eth0", client: "10.0.0.1"),
        Case(xForwardedFor: "203.0.113.9:99999", client: "10.0.0.1"),
        Case(xForwardedFor: Array(repeating: "10.0.0.9", count: 100).joined(separator: ","), client: "10.0.0.9"),
    ]

    @Test("is the nearest address that is not trusted", arguments: cases)
    func client(row: Case) throws {
        let client = ForwardedField.client(
            forwarded: row.forwarded, xForwardedFor: row.xForwardedFor,
            from: try SocketAddress(ipAddress: row.peer, port: 1),
            trusted: try #require(AddressRange.list("10.0.0.0/8")))
        #expect(client.ipAddress == row.client)
    }
}
