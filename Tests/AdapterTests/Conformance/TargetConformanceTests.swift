import Adapters
import Domain
import DomainFakes
import NIOCore
import Testing

/// Request targets (RFC 9110) from the socket through the router: an ambiguous path must not reach a route.
@Suite("Request targets", .timeLimit(.minutes(10)))
struct TargetConformanceTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var method = "GET"
        var target = "/v2/accounts/a/billing"
        var fields: [(FieldName, String)] = []
        let status: Int
        var testDescription: String { "\(method) \(target.prefix(60)) \(fields.map { $0.1.prefix(60) }) -> \(status)" }
    }

    private static let billing = "/v2/accounts/a/billing"

    private static let found = [
        Row(status: 200), Row(target: Self.billing + "?", status: 200), Row(method: "HEAD", status: 200),
        Row(fields: [(.range, "bytes=0-1")], status: 200), Row(fields: [(.ifNoneMatch, "\"a\"")], status: 200),
        Row(fields: [(.ifNoneMatch, "*")], status: 304), Row(fields: [(.contentEncoding, "identity")], status: 200),
        Row(method: "OPTIONS", target: "*", status: 204),
    ]

    /// Spellings with which other servers have been made to serve another path.
    private static let disguised =
        [
            "/v2/accounts/a/../a/billing", "/v2/accounts/./a/billing", "/../v2/accounts/a/billing",
            "//v2/accounts/a/billing",
            "/v2//accounts/a/billing", "/v2/accounts//billing", "/v2/accounts/a//billing", "/v2/accounts/a/billing/",
            "/v2/accounts/a/billing/.", "/v2/accounts/a/billing;x", "/V2/accounts/a/billing", "/v2/accounts/a/Billing",
            "/v2;x/accounts/a/billing", "/", "/v2/accounts/a/b/billing", "/v2/billing/stream/",
        ].map { Row(target: $0, status: 404) }
        + [
            "/v2/accounts/../billing", "/v2/accounts/%2e%2e/billing", "/v2/accounts/%61/billing",
            "/v2%2Faccounts/a/billing",
            "/v2/accounts/a%2Fbilling", "/v2/accounts/a%2fb/billing", "/v2/accounts/a%5Cb/billing",
            "/v2/accounts/a%00/billing", "/v2/accounts/%zz/billing", "/v2/accounts/%/billing",
            "/v2/accounts/a%3Fb/billing",
            "/v2/accounts/a;b/billing", "/%76%32/accounts/a/billing", "/v2/accounts/a/billing%20",
            "/v2/billing/strea%6d",
        ].map { Row(target: $0, status: 400) }
        + ["\\", "#", "\"", "<", ">", "^", "`", "{", "|", "}", "ä"].map {
            Row(target: "/v2/accounts/a\($0)b/billing", status: 400)
        }
        + [
            Row(target: Self.billing + "#b", status: 400),
            Row(target: Self.billing + "?a#b", status: 400),
            Row(target: "/" + String(repeating: "a", count: 8000), status: 414),
        ]

    /// Targets that are invalid as `:path` in HTTP/2 (RFC 9113, 8.3.1).
    private static let formless =
        ["\\v2\\accounts\\a\\billing", "v2/accounts/a/billing", "*", "http://elsewhere/v2/accounts/a/billing"].map {
            Row(target: $0, status: 400)
        }

    private static let refused =
        ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY"].map { Row(method: $0, status: 405) }
        + [
            Row(method: "BREW", status: 501), Row(fields: [(.expect, "a miracle")], status: 417),
            Row(fields: [(.contentEncoding, "gzip")], status: 415), Row(fields: [(.host, "elsewhere")], status: 400),
            Row(fields: [(.host, "u@localhost")], status: 400),
            Row(fields: [(.userAgent, String(repeating: "a", count: 20_000))], status: 431),
        ]

    @Test("a valid target reaches its account", arguments: Transport.allCases, found)
    func reached(transport: Transport, row: Row) async throws {
        let source = FakeSource()
        try await TestService.with(source: source, over: transport) { service in
            let response = try await service.send(row.target, method: row.method, row.fields)
            #expect(response.status == row.status)
            #expect(response.fields.string(.server) == nil)
            guard row.status == 200 else {
                #expect(response.body.readableBytes == 0)
                return
            }
            #expect(response.fields.string(.cacheControl)?.hasPrefix("private") == true)
            #expect(response.fields.string(.contentTypeOptions) == "nosniff")
            #expect(source.calls == [AccountID(literal: "a")])
        }
    }

    @Test("an account id is read with `=` and `+` percent-encoded or not", arguments: Transport.allCases)
    func escapedID(transport: Transport) async throws {
        let source = FakeSource()
        try await TestService.with(source: source, over: transport) { service in
            for id in ["a=b+c", "a%3Db%2Bc", "a%3db%2bc"] {
                let response = try await service.send("/v2/accounts/\(id)/billing", [(.cacheControl, "no-cache")])
                #expect(response.status == 200)
            }
        }
        #expect(source.calls == Array(repeating: AccountID(literal: "a=b+c"), count: 3))
    }

    @Test("an invalid or ambiguous request reaches no account", arguments: Transport.allCases, disguised + refused)
    func notReached(transport: Transport, row: Row) async throws {
        let source = FakeSource()
        try await TestService.with(source: source, over: transport) { service in
            let response = try await service.send(row.target, method: row.method, row.fields)
            #expect(response.status == row.status)
            #expect(response.fields.string(.contentType) == "application/problem+json")
            #expect(response.fields.string(.allow) == (row.status == 405 ? "GET, HEAD, PATCH" : nil))
            // A browser must not interpret the response as another type.
            #expect(response.fields.string(.contentTypeOptions) == "nosniff")
        }
        #expect(source.calls.isEmpty)
    }

    @Test("a target without a leading slash is refused", arguments: Transport.allCases, formless)
    func form(transport: Transport, row: Row) async throws {
        let source = FakeSource()
        try await TestService.with(source: source, over: transport) { service in
            switch transport {
            case .http1:
                let response = try await service.send(row.target)
                #expect(response.status == row.status)
            case .h2c, .h2:
                await #expect(throws: HTTPFailure.resetByPeer(.protocolError)) {
                    _ = try await service.send(row.target)
                }
            }
        }
        #expect(source.calls.isEmpty)
    }

    @Test(
        "requests over HTTP/1.1 in clear text give the same results", arguments: found + disguised + formless + refused)
    func clearText(row: Row) async throws {
        let source = FakeSource()
        try await TestService.with(source: source) { service in
            try await TextPeer.connected(to: service.server.port) { peer in
                let fields = row.fields.map { "\(String(decoding: $0.0.bytes, as: UTF8.self)): \($0.1)\r\n" }.joined()
                try await peer.send(
                    "\(row.method) \(row.target) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                        + "Authorization: Bearer \(TestService.token)\r\n\(fields)\r\n")
                #expect(try await peer.untilClosed().hasPrefix("HTTP/1.1 \(row.status) "))
            }
        }
        #expect(source.calls == (row.status == 200 || row.status == 304 ? [AccountID(literal: "a")] : []))
    }
}

extension FieldName {
    fileprivate static let range = FieldName("range")
    fileprivate static let server = FieldName("server")
}
