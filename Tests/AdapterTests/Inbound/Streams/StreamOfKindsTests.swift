import Adapters
import Domain
import DomainFakes
import Logging
import NIOCore
import Testing

/// `include` of `/v2/billing/stream`, with `from` and `to`.
@Suite("Stream of several kinds of data", .timeLimit(.minutes(10)))
struct StreamOfKindsTests {
    private static let accounts = ["a", "b"].map { AccountID(literal: $0) }
    private static let kinds = "/v2/billing/stream?include=usage,contact,plans"

    /// Days that `InvoicePeriod` permits in the next years.
    private static var period: String {
        let today = CalendarDate(of: SystemTime().timestamp)
        return "from=\(today.adding(years: -1)?.description ?? "")&to=\(today)"
    }

    private static func document(_ text: String) -> SourceAnswer { .document(SourceDocument(text: Array(text.utf8))) }

    private static func source(
        failing: @escaping @Sendable (AccountRead) -> BillingFailure? = { _ in nil }
    ) -> FakeSource {
        FakeSource.answering(listed: accounts) { read, _ async throws(BillingFailure) in
            if let failure = failing(read) { throw failure }
            switch read.operation {
            case .getBillingInformation: return .contact(.sample(read.account))
            case .getPlanInformation: return document(#"{"plan_base":{"type":"yearly","hosts":40}}"#)
            case .getPlanUsage: return document(#"{"plan_base":{"type":"yearly","usage":31}}"#)
            case .listBillingInvoices:
                let invoice = SourceDocument(text: Array(#"{"id":"i-1","total_amount":12345678901234567.89}"#.utf8))
                let currency = UnreadMember(name: "currency", value: Array("\"USD\"".utf8))
                return .invoices(
                    InvoiceList(
                        members: [currency], invoices: [.init(id: nil, date: nil, document: invoice)]))
            case .getInvoiceDetails, .downloadInvoiceFile, .listSubAccounts, .getSubAccountDetails,
                .updateBillingInformation, .subscribePlans, .subscribeAdditionalPlan, .updateAdditionalPlan,
                .cancelAdditionalPlans, .updateBasePlan, .cancelBasePlan:
                throw .sourceRejected
            }
        }
    }

    private static func text(_ response: ClientResponse) -> [String] {
        String(buffer: response.body).split(separator: "\n").map(String.init)
    }

    @Test(
        "include= gives each account a line of each kind, in the order contact, plans, usage, invoices",
        arguments: Transport.allCases)
    func kinds(transport: Transport) async throws {
        try await TestService.with(source: Self.source(), over: transport) { service in
            let response = try await service.send(Self.kinds + ",invoices&\(Self.period)")
            let lines = response.lines
            #expect(lines.first?["accounts"] == .number("2"))
            #expect(
                lines.dropFirst().dropLast().map { "\($0["account_id"]?.string ?? "") \($0["type"]?.string ?? "")" }
                    == ["a", "b"].flatMap { account in
                        ["contact", "plans", "usage", "invoices"].map { "\(account) \($0)" }
                    })
            let text = Self.text(response)
            #expect(text[1].hasPrefix(#"{"type":"contact","account_id":"a","as_of":""#))
            #expect(text[2].hasSuffix(#","plans":{"plan_base":{"type":"yearly","hosts":40}}}"#))
            #expect(text[3].hasSuffix(#","usage":{"plan_base":{"type":"yearly","usage":31}}}"#))
            #expect(
                text[4].hasSuffix(
                    #","invoices":{"currency":"USD","invoices":[{"id":"i-1","total_amount":12345678901234567.89}]}}"#))
            #expect(
                text[9].contains(
                    #""contacts":2,"failures":0,"by_code":{},"by_kind":{"contact":{"records":2,"failures":0},"#
                        + #""plans":{"records":2,"failures":0},"usage":{"records":2,"failures":0},"#
                        + #""invoices":{"records":2,"failures":0}},"elapsed_ms":"#))
        }
    }

    @Test("include=contact gives the same lines as no include, also for failures", arguments: ["", "?include=contact"])
    func contactAlone(query: String) async throws {
        let source = Self.source { $0.account.rawValue == "a" ? .selfPay : nil }
        try await TestService.with(source: source) { service in
            let text = Self.text(try await service.send("/v2/billing/stream\(query)"))
            #expect(
                text[1] == #"{"type":"failure","account_id":"a","status":400,"code":2100,"#
                    + #""message":"This sub account is on self pay mode."}"#)
            #expect(text[2].hasPrefix(#"{"type":"contact","account_id":"b","as_of":""#))
            #expect(
                text[3].hasPrefix(
                    #"{"type":"end","complete":true,"contacts":1,"failures":1,"by_code":{"2100":1},"elapsed_ms":"#))
        }
    }

    @Test("a failure of one kind names it, and the end line counts it")
    func failures() async throws {
        let source = Self.source {
            switch ($0.account.rawValue, $0.operation) {
            case ("a", .getPlanUsage): .accountIsFree
            case ("b", _): .selfPay
            case _: nil
            }
        }
        try await TestService.with(source: source) { service in
            let response = try await service.send("/v2/billing/stream?include=plans,usage&only=records")
            #expect(
                response.lines.map { $0["kind"]?.string ?? $0["type"]?.string } == ["plans", "usage", "plans", "usage"])
            #expect(
                Self.text(response)[1] == #"{"type":"failure","kind":"usage","account_id":"a","status":400,"#
                    + #""code":200,"message":"Only available for paid account."}"#)
            let end = try #require(try await service.send("/v2/billing/stream?include=plans,usage").lines.last)
            #expect(end["contacts"] == .number("0") && end["failures"] == .number("3"))
            let counts = try #require(end["by_kind"]?.object)
            #expect(counts["plans"]?.object?["records"] == .number("1"))
            #expect(counts["usage"]?.object?["failures"] == .number("2"))
        }
    }

    @Test("an account whose invoices cannot be requested now has a failure line with the seconds until they can")
    func retryAfter() async throws {
        let source = Self.source { $0.account.rawValue == "a" ? .rateLimited(retryAfter: .seconds(287)) : nil }
        try await TestService.with(source: source) { service in
            let response = try await service.send("/v2/billing/stream?include=invoices&\(Self.period)")
            let lines = response.lines
            #expect(lines[1]["kind"] == .string("invoices") && lines[1]["code"] == .number("429"))
            #expect(lines[1]["retry_after"] == .number("287"))
            #expect(lines[2]["type"] == .string("invoices") && lines[3]["type"] == .string("end"))
        }
    }

    @Test("a stream resumes after an account with all kinds of the next one, and limit= counts accounts")
    func resume() async throws {
        try await TestService.with(source: Self.source()) { service in
            let rest = try await service.send(Self.kinds + "&after=a&limit=1").lines
            #expect(rest.first?["accounts"] == .number("1"))
            #expect(rest.compactMap { $0["account_id"]?.string } == ["b", "b", "b"])
        }
    }

    @Test("a POST gives each occurrence of an account its kinds, and an invalid line one failure without a kind")
    func chosen() async throws {
        try await TestService.with(source: Self.source()) { service in
            let lines = try await service.post(
                "/v2/billing/stream?include=plans,usage",
                "{\"account_id\":\"b\"}\nno\n{\"account_id\":\"a\"}\n{\"account_id\":\"b\"}\n"
            ).lines
            #expect(
                lines.dropFirst().dropLast().map { $0["account_id"]?.string ?? "line \($0["line"]?.integer ?? 0)" }
                    == ["b", "b", "line 2", "a", "a", "b", "b"])
            #expect(lines[3]["kind"] == nil)
            #expect(lines.last?["failures"] == .number("1"))
        }
    }

    @Test("fields= selects members of the contact only")
    func fields() async throws {
        try await TestService.with(source: Self.source()) { service in
            let lines = try await service.send("/v2/billing/stream?include=contact,plans&fields=city").lines
            #expect(lines[1]["billing"]?.object?.members.map(\.name) == ["city"])
            #expect(lines[2]["plans"]?.object?.members.map(\.name) == ["plan_base"])
        }
    }

    @Test(
        "an invalid combination of kinds and days is answered 400 with the parameter, without a call to Zoom",
        arguments: [
            ("include=", "include"), ("include=contact,", "include"), ("include=contacts", "include"),
            ("include=plans&fields=city", "fields"), ("include=plans&from=2026-01-01", "from"),
            ("from=2026-01-01", "from"), ("include=invoices&from=2026-01-01", "to"),
            ("include=invoices&from=2020-01-01&to=2020-02-01", "from"),
            ("include=invoices&from=2026-13-01&to=2026-12-01", "from"), ("include=plans&include=usage", "include"),
        ])
    func refused(query: String, field: String) async throws {
        let source = Self.source()
        try await TestService.with(source: source) { service in
            let answer = try await service.send("/v2/billing/stream?\(query)")
            #expect(answer.status == 400 && answer.json?["code"] == .number("300"))
            #expect(answer.json?["errors"]?.array?.first?.object?["field"] == .string(field))
            #expect(source.reads.isEmpty)
        }
    }

    @Test("a caller without the scope of a kind is answered 403 with that scope")
    func scopes() async throws {
        let scopes: [(String, Caller.Scope)] = [
            ("include=plans", .plansRead), ("include=contact,usage", .plansRead),
            ("include=invoices&\(Self.period)", .invoicesRead), ("include=contact", .billingExport),
        ]
        for (query, missing) in scopes {
            let caller = Caller(
                name: Name(literal: "job"), scopes: Set(Caller.Scope.allCases).subtracting([missing]))
            try await TestService.with(
                source: Self.source(), callers: FakeCallers([TestService.token: caller])
            ) { service in
                let answer = try await service.send("/v2/billing/stream?\(query)")
                #expect(answer.status == 403 && answer.json?["code"] == .number("4711"))
                #expect(answer.fields.string(.wwwAuthenticate)?.contains("scope=\"\(missing.rawValue)\"") == true)
            }
        }
    }

    @Test("the audit line has the number of lines of each requested kind")
    func audit() async throws {
        let lines = Event<String>()
        let audit = Logger(label: "audit") { _ in LineLogHandler { lines.fire($0) } }
        let source = Self.source { $0.operation == .getPlanUsage ? .accountIsFree : nil }
        try await TestService.with(source: source, audit: audit) { service in
            _ = try await service.send("/v2/billing/stream?include=plans,usage", [(.requestID, "job-1")])
            #expect(
                try await lines.next()
                    == "export caller=everything failures=2 master=only outcome=complete plans=2 request_id=job-1 usage=0"
            )
        }
    }
}
