import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import Testing

/// What a stream is asked for, and with what it is chosen.
@Suite("A stream", .timeLimit(.minutes(1)))
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

    @Test("has as many accounts as are asked for, and says whether there are more", arguments: Transport.allCases)
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
        "Lines and single answers have no line end inside, wherever a value comes from", arguments: Transport.allCases)
    func lineEnds(transport: Transport) async throws {
        let ends = String(String.UnicodeScalarView(JSONTests.lineEnds.sorted()))
        // Zoom's parser takes no control character as it is; those above U+001F may come unescaped.
        let raw = "\"1\u{85}2\u{2028}3\u{2029}4\""
        let contact = BillingContact(
            reading: { _ in "a\(ends)b" },
            unread: [
                .init(name: "new\(ends)member", value: Array("{\"list\":[\(raw),1.50],\(raw):null}".utf8))
            ])
        let source = FakeSource(listed: Self.accounts) { _, _ async throws(BillingFailure) in .masterPays(contact) }
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

    @Test("leaves out the fields that are not asked for")
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

    @Test("says of each line how old it is, and has none that is older than is asked for")
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
        "is refused with what it cannot be asked for",
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
        "Cache-Control of a request for a stream bounds the age of its lines",
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
            // What was answered to `no-store` was not cached: what was is ten seconds old, and too old for this.
            let query = field.contains("no-store") || field.contains("min-fresh") ? "?max_age=5" : ""
            _ = try await service.send("/v2/billing/stream\(query)")
            #expect(source.calls.count == (field.contains("min-fresh") ? 40 : callsOfThird))
        }
    }

    @Test("A stream is never answered from a cache: only-if-cached is refused with 504", arguments: ["GET", "HEAD"])
    func onlyIfCached(method: String) async throws {
        try await with { service, source in
            let answer = try await service.send(
                "/v2/billing/stream", method: method, [(.cacheControl, "only-if-cached")])
            #expect(answer.status == 504 && source.calls.isEmpty)
        }
    }

    // MARK: Chosen accounts

    @Test("A line of a posted body that has a member twice is a failure line, whichever member it is")
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
        "is of the accounts that are chosen, in that order, and tells of lines that choose none",
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

    @Test("of no accounts, of blank lines, and of one line that never ends")
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

    @Test("takes no body of another type, and none of the parameters that have no meaning there")
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
