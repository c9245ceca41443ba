import Adapters
import Domain
import DomainFakes
import NIOCore
import Testing

/// RFC 9110, 5.3: a field that is not a list may appear only once.
@Suite("Repeated fields", .timeLimit(.minutes(10)))
struct RepeatedFieldTests {
    private static let target = "/v2/accounts/a/billing"

    @Test(
        "a request that repeats a singleton field is answered 400 and the error names the field",
        arguments: Transport.allCases,
        [
            (.authorization, "Bearer \(TestService.token)"), (.contentType, "application/x-ndjson"),
            (.ifModifiedSince, "Sat, 31 Jan 2026 12:00:00 GMT"), (.requestID, "one"), (.userAgent, "one"),
            (.traceparent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            (FieldName("range"), "bytes=0-1"),
            (FieldName("if-range"), "\"a\""), (FieldName("if-unmodified-since"), "Sat, 31 Jan 2026 12:00:00 GMT"),
            (FieldName("referer"), "https://example.com/"), (FieldName("from"), "a@example.com"),
            (FieldName("max-forwards"), "1"), (FieldName("date"), "Sat, 31 Jan 2026 12:00:00 GMT"),
            (FieldName("proxy-authorization"), "Basic a"),
        ] as [(FieldName, String)])
    func refused(transport: Transport, field: (name: FieldName, value: String)) async throws {
        let source = FakeSource()
        try await TestService.with(source: source, over: transport) { service in
            let name = String(decoding: field.name.bytes, as: UTF8.self)
            // `send` adds an Authorization field to every request.
            let isSent = field.name == .authorization
            let fields: [(FieldName, String)] = [(field.name, field.value), (field.name, field.value)]
            for target in [Self.target, "/v2/billing/stream"] {
                let answer = try await service.send(target, isSent ? Array(fields.dropFirst()) : fields)
                #expect(answer.status == 400 && answer.json?["code"] == .number("300"))
                let errors = try #require(answer.json?["errors"]?.array)
                #expect(errors.map { $0.object?["field"] } == [.string(name)])
                let challenge = answer.fields.string(.wwwAuthenticate)
                #expect(challenge == (isSent ? #"Bearer error="invalid_request""# : nil))
            }
            // A single field is accepted.
            if !isSent {
                let status = try await service.send(Self.target, [(field.name, field.value)]).status
                #expect(status == 200)
            }
        }
    }

    @Test(
        "two Authorization fields are refused even if one is valid, and do not count as a token guess",
        arguments: Transport.allCases)
    func tokens(transport: Transport) async throws {
        try await TestService.with(source: FakeSource(), over: transport) { service in
            let good = (FieldName.authorization, "Bearer \(TestService.token)")
            let others = ["Bearer wrong", "Basic a", "", "Bearer \(TestService.token)"].map {
                (FieldName.authorization, $0)
            }
            for other in others {
                for fields in [[good, other], [other, good]] {
                    let status = try await service.send(Self.target, token: nil, fields).status
                    #expect(status == 400)
                }
            }
        }
    }

    @Test("a list field may be repeated", arguments: Transport.allCases)
    func lists(transport: Transport) async throws {
        try await TestService.with(source: FakeSource(), over: transport) { service in
            let fields: [(FieldName, String)] = [
                (.accept, "text/html"), (.accept, "application/json"), (.cacheControl, "max-age=60"),
                (.cacheControl, "max-stale"), (.prefer, "wait=1"), (.prefer, "respond-async"),
                (.ifNoneMatch, "\"a\""), (.ifNoneMatch, "\"b\""), (.xForwardedFor, "10.0.0.1"),
                (.xForwardedFor, "10.0.0.2"), (.forwarded, "for=10.0.0.1"), (.forwarded, "for=10.0.0.2"),
                (.tracestate, "a=1"), (.tracestate, "b=2"), (.acceptEncoding, "gzip"), (.acceptEncoding, "br"),
                (FieldName("x-unknown"), "1"), (FieldName("x-unknown"), "2"),
            ]
            let status = try await service.send(Self.target, fields).status
            #expect(status == 200)
        }
    }

    @Test(
        "every value of a repeated Content-Encoding or Expect field counts",
        arguments: Transport.allCases,
        [
            (.contentEncoding, ["identity", "gzip"], 415), (.contentEncoding, ["gzip", "identity"], 415),
            (.contentEncoding, ["identity", "identity"], 200), (.contentEncoding, ["identity, Identity"], 200),
            (.contentEncoding, ["identity, gzip"], 415), (.expect, ["100-continue", "a miracle"], 417),
            (.expect, ["100-Continue, a miracle"], 417), (.expect, ["100-continue", "100-continue"], 200),
        ] as [(FieldName, [String], Int)])
    func members(transport: Transport, row: (name: FieldName, values: [String], status: Int)) async throws {
        try await TestService.with(source: FakeSource(), over: transport) { service in
            let fields = row.values.map { (row.name, $0) }
            let status = try await service.send(Self.target, fields).status
            #expect(status == row.status)
        }
    }

    @Test("trailing spaces and tabs are not part of a field value")
    func trailingBlanks() async throws {
        try await TestService.with(source: FakeSource()) { service in
            try await TextPeer.connected(to: service.server.port) { peer in
                try await peer.request(
                    "GET", Self.target, "Authorization: Bearer \(TestService.token) \t ", "Accept: application/json ",
                    "X-Empty:  \t ", "X-Request-Id: one  ")
                let response = try await peer.response()
                #expect(response.hasPrefix("HTTP/1.1 200 ") && response.contains("x-request-id: one\r\n"))
            }
        }
    }

    @Test(
        "a repeated Host or Content-Length is answered 400 and closes the connection",
        arguments: ["Host: localhost", "Host: other", "Content-Length: 0\r\nContent-Length: 0"])
    func framing(lines: String) async throws {
        try await withServer(ScriptedHandler.echo) { server in
            try await TextPeer.connected(to: server.port) { peer in
                try await peer.request("GET", "/", lines)
                let all = try await peer.untilClosed()
                #expect(all.hasPrefix("HTTP/1.1 400 ") && all.contains("connection: close\r\n"))
            }
        }
    }
}
