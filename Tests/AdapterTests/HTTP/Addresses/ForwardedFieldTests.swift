import Adapters
import DomainFakes
import NIOCore
import Testing

@Suite("Client address behind proxies")
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
        // Addresses before the first untrusted one, from the right, are unverified claims.
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
        // Hidden, unknown or malformed addresses: use the last proxy that is certain.
        Case(forwarded: "for=203.0.113.9, for=_hidden, for=10.0.0.8", client: "10.0.0.8"),
        Case(forwarded: "for=unknown", client: "10.0.0.1"),
        Case(forwarded: "for=203.0.113.9, by=10.0.0.8", client: "10.0.0.1"),
        Case(forwarded: "", client: "10.0.0.1"),
        Case(forwarded: "for=\"203.0.113.9", client: "10.0.0.1"),
        Case(forwarded: "for=203.0.113.9, for=\"a,b\"", client: "10.0.0.1"),
        Case(forwarded: "for=203.0.113.9;for=198.51.100.1", client: "10.0.0.1"),
        Case(forwarded: "for=\"203.0.113.9:_hidden\"", client: "203.0.113.9"),
        Case(forwarded: #"for="203.0\.113.9""#, client: "203.0.113.9"),
        Case(forwarded: #"for=203.0.113.9;host="a\", for=198.51.100.1""#, client: "203.0.113.9"),
        // The client opens a quoted string that the proxy's own value closes.
        Case(forwarded: #"for=198.51.100.1;x=", for="[2001:db8::7]:443""#, client: "2001:db8::7"),
        Case(forwarded: #"for=198.51.100.1;x=",for=203.0.113.9"#, client: "203.0.113.9"),
        Case(forwarded: #"for=198.51.100.1;x=\",for="203.0.113.9:1";by="10.0.0.1:2""#, client: "203.0.113.9"),
        Case(xForwardedFor: "\"198.51.100.1, 203.0.113.9", client: "203.0.113.9"),
        // U+0600 forms one Swift character with the comma, which must still separate.
        Case(forwarded: "for=198.51.100.1;\u{600},for=203.0.113.9", client: "203.0.113.9"),
        Case(xForwardedFor: "198.51.100.1\u{600}, 203.0.113.9", client: "203.0.113.9"),
        Case(xForwardedFor: "203.0.113.9:+80", client: "10.0.0.1"),
        Case(xForwardedFor: "203.0.113.9\0", client: "10.0.0.1"),
        Case(xForwardedFor: "203.0.113.9, x", client: "10.0.0.1"),
        Case(xForwardedFor: "fe80::1%eth0", client: "10.0.0.1"),
        Case(xForwardedFor: "203.0.113.9:99999", client: "10.0.0.1"),
        Case(xForwardedFor: Array(repeating: "10.0.0.9", count: 100).joined(separator: ","), client: "10.0.0.9"),
    ]

    @Test("the client is the nearest untrusted address", arguments: cases)
    func client(row: Case) throws {
        let client = ForwardedField.client(
            forwarded: row.forwarded, xForwardedFor: row.xForwardedFor,
            from: try SocketAddress(ipAddress: row.peer, port: 1),
            trusted: try #require(AddressRange.list("10.0.0.0/8")))
        #expect(client.ipAddress == row.client)
    }

    @Test("a client cannot forge the address that the trusted proxy adds", arguments: [UInt64.random(in: 0 ... .max)])
    func forged(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let trusted = try #require(AddressRange.list("10.0.0.0/8"))
        let peer = try SocketAddress(ipAddress: "10.0.0.1", port: 1)
        let pieces = [
            "\"", "\\", ",", ";", "=", " ", "\t", "[", "]", ":", "for=", "by=", "198.51.100.1", "10.0.0.5", "_x",
            "unknown", "\u{301}", "\u{600}", "\u{200D}", "\u{0}", "\u{FFFD}",
        ]
        let named = [
            "for=203.0.113.9", "for=\"203.0.113.9:4711\"", "For=203.0.113.9;by=\"[2001:db8::1]:443\"",
            #"for=203.0.113.9;host="a\",b\\";proto=https"#, "for=203.0.113.9, for=10.0.0.8",
        ]
        for _ in 0..<20_000 {
            let sent = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                pieces.randomElement(using: &random) ?? ""
            }.joined()
            let comma = Bool.random(using: &random) ? "," : ", "
            let forwarded = ForwardedField.client(
                forwarded: sent + comma + (named.randomElement(using: &random) ?? ""), xForwardedFor: nil, from: peer,
                trusted: trusted)
            let xForwardedFor = ForwardedField.client(
                forwarded: nil, xForwardedFor: sent + comma + "203.0.113.9", from: peer, trusted: trusted)
            #expect(
                forwarded.ipAddress == "203.0.113.9" && xForwardedFor.ipAddress == "203.0.113.9",
                "\(sent.debugDescription), seed \(seed)")
        }
    }
}
