import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import Testing

/// The parameters of `/v2/billing/stream` and the body that selects accounts.
@Suite("Stream parameters", .timeLimit(.minutes(10)))
struct StreamTests {
    private static let accounts = (0..<20).map { AccountID(literal: "account-\(String(format: "%02d", $0))") }

    private func with(
        _ source: FakeSource? = nil, over transport: Transport = .h2c,
        _ test: (TestService, FakeSource) async throws -> Void
    ) async throws {
        let source = source ?? FakeSource(listed: Self.accounts.shuffled())
        try await TestService.with(source: source, over: transport) { try await test($0, source) }
    }

    private static func ids(_ lines: [JSONObject]) -> [String] { lines.compactMap { $0["account_id"]?.string } }

    @Test(
        "limit= bounds the accounts, and the end line has the number of further accounts", arguments: Transport.allCases
    )
    func limit(transport: Transport) async throws {
        try await with(over: transport) { service, _ in
            let part = try await service.send("/v2/billing/stream?after=account-04&limit=3").lines
            #expect(part.first?["accounts"] == .number("3"))
            #expect(Self.ids(part) == ["account-05", "account-06", "account-07"])
            #expect(
                part.last?["more"] == .number("12") && part.first?["more"] == .number("12")
                    && part.last?["complete"] == .bool(true))
            let rest = try await service.send("/v2/billing/stream?after=account-16&limit=3").lines
            #expect(Self.ids(rest).count == 3 && rest.last?["more"] == nil)
        }
    }

    @Test(
        "no value in a line or a single response contains a line end", arguments: Transport.allCases)
    func lineEnds(transport: Transport) async throws {
        let ends = String(String.UnicodeScalarView(JSONTests.lineEnds.sorted()))
        // JSON strings must escape control characters up to U+001F; these above it may be unescaped.
        let raw = "\"1\u{85}2\u{2028}3\u{2029}4\""
        let contact = BillingContact(
            reading: { _ in "a\(ends)b" },
            unread: [
                .init(name: "new\(ends)member", value: Array("{\"list\":[\(raw),1.50],\(raw):null}".utf8))
            ])
        let source = FakeSource(listed: Self.accounts) { _, _ async throws(BillingFailure) in .contact(contact) }
        try await with(source, over: transport) { service, _ in
            let one = try await service.send("/v2/accounts/account-00/billing")
            let bodies = [
                one, try await service.send("/v2/billing/stream"),
                try await service.send("/v2/billing/stream?fields=city,zip"),
                try await service.post(
                    "/v2/billing/stream", "{\"account_id\":\"account-00\"}\n{\"account_id\":\"\(raw)\n"),
            ].map { String(buffer: $0.body) }
            for body in bodies {
                #expect(JSONTests.lineEnds.subtracting(["\n"]).isDisjoint(with: body.unicodeScalars))
            }
            #expect(!bodies[0].contains("\n"))
            let billing = try #require(one.json)
            #expect(billing["city"] == .string("a\(ends)b"))
            let unread = try #require(billing["new\(ends)member"]?.object)
            #expect(unread["list"] == .array([.string("1\u{85}2\u{2028}3\u{2029}4"), .number("1.50")]))
            let line = try #require(try await service.send("/v2/billing/stream").lines.dropFirst().first)
            #expect(line["billing"]?.object == billing)
        }
    }

    @Test("fields= selects the members of each record")
    func fields() async throws {
        try await with { service, _ in
            let lines = try await service.send("/v2/billing/stream?fields=country,zip&only=records").lines
            #expect(lines.count == 20)
            for line in lines {
                let billing = try #require(line["billing"]?.object)
                #expect(billing.members.map(\.name) == ["country", "zip"])
            }
        }
    }

    @Test("each record has as_of, and max_age= fetches older records again")
    func age() async throws {
        try await with { service, source in
            for (query, calls) in [("", 20), ("", 20), ("?max_age=60", 20), ("?max_age=0", 40)] {
                let lines = try await service.send("/v2/billing/stream\(query)").lines
                #expect(lines.dropFirst().dropLast().allSatisfy { $0["as_of"]?.string != nil } && lines.count == 22)
                #expect(source.calls.count == calls)
            }
        }
    }

    @Test(
        "an invalid parameter is answered 400 without a call to Zoom",
        arguments: [
            "limit=0", "limit=x", "limit=-1", "max_age=-1", "max_age=1.5", "fields=", "fields=country,name",
            "order=descending", "order=arrival&after=account-04", "sub_reseller_id=", "only=contacts", "before=a",
        ])
    func refused(query: String) async throws {
        try await with { service, source in
            let answer = try await service.send("/v2/billing/stream?\(query)")
            #expect(answer.status == 400 && answer.json?["code"] == .number("300"))
            #expect(source.calls.isEmpty)
        }
    }

    @Test(
        "Cache-Control of the request bounds the age of the records",
        arguments: [
            ("max-age=60", 20, 20), ("no-cache", 40, 40), ("max-age=0", 40, 40), ("no-store", 40, 60),
            ("max-age=60, no-store", 40, 60), ("max-stale", 20, 20), ("min-fresh=400", 40, 60),
        ])
    func cacheControl(field: String, calls: Int, callsOfThird: Int) async throws {
        let time = TestClock()
        let source = FakeSource(listed: Self.accounts)
        try await TestService.with(source: source, time: time) { service in
            _ = try await service.send("/v2/billing/stream")
            time.advance(by: .seconds(10))
            let lines = try await service.send("/v2/billing/stream", [(.cacheControl, field)]).lines
            #expect(lines.count == 22 && source.calls.count == calls)
            // The records fetched for `no-store` were not cached. The cached ones are 10 s old, above max_age=5.
            let query = field.contains("no-store") || field.contains("min-fresh") ? "?max_age=5" : ""
            _ = try await service.send("/v2/billing/stream\(query)")
            #expect(source.calls.count == (field.contains("min-fresh") ? 40 : callsOfThird))
        }
    }

    @Test(
        "only-if-cached is answered 504, because a stream is never served from a cache alone",
        arguments: ["GET", "HEAD"])
    func onlyIfCached(method: String) async throws {
        try await with { service, source in
            let answer = try await service.send(
                "/v2/billing/stream", method: method, [(.cacheControl, "only-if-cached")])
            #expect(answer.status == 504 && source.calls.isEmpty)
        }
    }

    // MARK: Selected accounts

    @Test("a line of the request body with a repeated member gives a failure line")
    func repeatedMembers() async throws {
        try await with { service, source in
            let body = """
                {"account_id":"account-01","account_id":"account-02"}
                {"account_id":"account-01","account_id":"account-01"}
                {"account_id":"account-01","account\\u005fid":"account-02"}
                {"account_id":"account-03","type":"contact","type":"failure"}
                {"account_id":"account-04","billing":{"city":"a"},"line":1}
                """
            let lines = try await service.post("/v2/billing/stream", body).lines
            #expect(Self.ids(lines) == ["account-04"] && source.calls.count == 1)
            let failures = lines.filter { $0["type"] == .string("failure") }
            #expect(failures.compactMap { $0["line"]?.integer } == [1, 2, 3, 4])
            #expect(
                failures.compactMap { $0["message"]?.string } == [
                    "Line 1 has \"account_id\" twice.", "Line 2 has \"account_id\" twice.",
                    "Line 3 has \"account_id\" twice.", "Line 4 has a member twice.",
                ])
        }
    }

    @Test(
        "a POST streams the selected accounts in order, with a failure line for each invalid line",
        arguments: Transport.allCases)
    func chosen(transport: Transport) async throws {
        try await with(over: transport) { service, source in
            let body = """
                {"account_id":"account-07"}
                {"type":"contact","account_id":"account-03","billing":{}}

                {"account_id":
                {"account_id":"account-07"}
                ["account-01"]
                {"account":"account-01"}
                {"account_id":"no id"}
                {"account_id":"me"}
                {"account_id":"account-01"}
                """
            let answer = try await service.post("/v2/billing/stream", body)
            #expect(answer.status == 200)
            let lines = answer.lines
            #expect(lines.first?["accounts"] == .null)
            #expect(Self.ids(lines) == ["account-07", "account-03", "account-07", "me", "account-01"])
            #expect(lines.compactMap { $0["line"]?.integer } == [4, 6, 7, 8])
            for line in lines where line["line"] != nil {
                #expect(line["type"] == .string("failure") && line["code"] == .number("300"))
                #expect(line["message"]?.string?.contains("Line \(line["line"]?.integer ?? 0)") == true)
            }
            let end = try #require(lines.last)
            #expect(end["type"] == .string("end") && end["contacts"] == .number("4"))
            #expect(end["failures"] == .number("5"))
            #expect(source.calls.count == 3)
        }
    }

    @Test("an empty body and blank lines select no account, and an overlong line gives a failure line")
    func oddBodies() async throws {
        try await with { service, _ in
            for body in ["", "\n\n \r\n"] {
                let lines = try await service.post("/v2/billing/stream", body).lines
                #expect(lines.count == 2 && lines.last?["contacts"] == .number("0"))
            }
            let long = #"{"account_id":""# + String(repeating: "a", count: 300_000) + "\"}\n"
            let lines = try await service.post("/v2/billing/stream", long + #"{"account_id":"account-01"}"#).lines
            #expect(lines.compactMap { $0["line"]?.integer } == [1])
            #expect(Self.ids(lines) == ["account-01"] && lines.last?["type"] == .string("end"))
        }
    }

    @Test("a POST with another content type is answered 415, and with after=, limit= or sub_reseller_id= 400")
    func refusedChoice() async throws {
        try await with { service, source in
            let form = try await service.post("/v2/billing/stream", "a=b", [(.contentType, "text/csv")])
            #expect(form.status == 415)
            for query in ["after=a", "limit=1", "sub_reseller_id=a"] {
                let answer = try await service.post("/v2/billing/stream?\(query)", "")
                #expect(answer.status == 400)
            }
            #expect(source.calls.isEmpty)
        }
    }
}
