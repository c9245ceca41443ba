import Adapters
import Domain
import DomainFakes
import NIOCore
import Synchronization
import Testing

/// Lists and details of invoices, from a listener to a simulated Zoom.
@Suite("Invoices", .timeLimit(.minutes(10)))
struct InvoicesTests {
    /// A service in front of a sandbox. It is noon on 31 January 2026, unless the sandbox has another clock.
    private static func with(
        accounts: Int = 50, limits: SandboxConfiguration.Limits = .none, rate: RateBudget.Rules? = nil,
        time: any TimeSource = TestClock(), over transport: Transport = .h2c, callers: FakeCallers? = nil,
        _ test: (TestService, SandboxZoom) async throws -> Void
    ) async throws {
        let sandbox = SandboxZoom(
            configuration: SandboxConfiguration(apps: [TestZoom.app], accounts: accounts, limits: limits), time: time)
        try await withServer(sandbox) { server in
            let master = ZoomMasters.Master(
                name: Name(literal: "main"), accountID: AccountID(literal: TestZoom.app.accountID),
                api: .init(origin: server.origin, path: "/v2"),
                oauth: .init(origin: server.origin, path: "/oauth/token"), rates: rate.map { [.heavy: $0] } ?? [:])
            try await TestZoom.with(server, [master], FakeCredentials([.test()]), waitMax: .seconds(60), time: time) {
                client in
                try await TestService.with(source: client, over: transport, time: time, callers: callers) { service in
                    try await test(service, sandbox)
                }
            }
        }
    }

    private static func list(_ id: String, _ query: String = "from=2025-02-01&to=2026-01-31") -> String {
        "/v2/accounts/\(id)/billing/invoices?\(query)"
    }

    /// The first account with invoices.
    private static func account(_ service: TestService, _ sandbox: SandboxZoom) async throws -> String {
        for number in 0..<sandbox.accounts.count {
            let id = sandbox.accounts.id(of: number)
            let response = try await service.send(list(id))
            if response.status == 200, response.json?["invoices"]?.array?.isEmpty == false { return id }
        }
        Issue.record("no account has invoices")
        return ""
    }

    private static func ids(_ response: ClientResponse) throws -> [String] {
        try #require(response.json?["invoices"]?.array).compactMap { $0.object?["id"]?.string }
    }

    // MARK: Lists

    @Test(
        "Invoices: a list has Zoom's members, and the second request gets it from the cache",
        arguments: Transport.allCases)
    func list(transport: Transport) async throws {
        let clock = TestClock()
        try await Self.with(time: clock, over: transport) { service, sandbox in
            let id = try await Self.account(service, sandbox)
            let calls = sandbox.requestCounts.operations
            clock.advance(by: .seconds(299))
            // An unknown parameter is ignored, as Zoom ignores it.
            let second = try await service.send(Self.list(id, "to=2026-01-31&page_size=300&from=2025-02-01"))
            #expect(second.status == 200 && second.fields.string(.age) == "299")
            #expect(second.fields.string(.contentType) == "application/json")
            #expect(second.fields.string(.cacheControl) == "private, max-age=14400")
            let invoice = try #require(second.json?["invoices"]?.array?.first?.object)
            for member in ["id", "invoice_number", "invoice_date", "due_date", "total_amount", "balance", "status"] {
                #expect(invoice[member] != nil, "\(member)")
            }
            #expect(second.json?["currency"]?.string != nil)
            let etag = try #require(second.fields.string(.etag))
            let unchanged = try await service.send(Self.list(id), [(.ifNoneMatch, etag)])
            #expect(unchanged.status == 304 && unchanged.body.readableBytes == 0)
            #expect(sandbox.requestCounts.operations == calls)
        }
    }

    @Test(
        "Invoices: wrong dates are refused with every violation, without a call to Zoom",
        arguments: [
            ("", ["from", "to"]), ("from=2025-02-01", ["to"]), ("from=&to=x", ["from", "to"]),
            ("from=2025-02-30&to=2025-03-01", ["from"]), ("from=2026-01-02&to=2026-01-01", ["to"]),
            ("from=2025-01-01&to=2026-01-02", ["to"]), ("from=2022-12-01&to=2023-01-01", ["from"]),
            ("from=2022-12-01&to=2024-01-01", ["to", "from"]),
            ("from=2025-02-01&from=2025-02-01&to=2025-03-01", ["from"]),
            ("from=%ff&to=2025-03-01", ["from"]), ("From=2025-02-01&to=2025-03-01", ["from"]),
        ] as [(String, [String])])
    func dates(query: String, fields: [String]) async throws {
        try await Self.with { service, sandbox in
            let response = try await service.send(Self.list(sandbox.accounts.id(of: 0), query))
            #expect(response.status == 400 && response.json?["code"]?.integer == 300)
            #expect(response.json?["errors"]?.array?.map { $0.object?["field"]?.string } == fields)
            #expect(sandbox.requestCounts.operations.isEmpty)
        }
    }

    @Test("Invoices: a period that only Zoom refuses is 400, and is not reported as a failure of Zoom")
    func periodRefusedByZoom() async throws {
        try await Self.with { service, sandbox in
            let id = try await Self.account(service, sandbox)
            let other = try #require((0..<50).map { sandbox.accounts.id(of: $0) }.first { $0 != id })
            // Three years and a day ago: the service allows for other time zones.
            let response = try await service.send(Self.list(other, "from=2023-01-30&to=2023-12-31"))
            #expect(response.status == 400 && response.json?["code"]?.integer == 300)
            #expect(response.json?["errors"]?.array?.first?.object?["field"]?.string == "from")
        }
    }

    @Test("Invoices: an account of any kind gets Zoom's documented answer")
    func kinds() async throws {
        try await Self.with(accounts: 200) { service, sandbox in
            var answers: Set<String> = []
            for number in 0..<200 {
                let response = try await service.send(Self.list(sandbox.accounts.id(of: number)))
                let code = response.json?["code"]?.integer
                answers.insert("\(response.status) \(code.map(String.init) ?? "")")
                #expect(response.status == 200 || response.json?["type"] != nil)
            }
            #expect(answers == ["200 ", "400 200", "400 2100"])
            let unknown = try await service.send(Self.list("nobody"))
            #expect(unknown.status == 404 && unknown.json?["code"]?.integer == 2001)
            let master = try await service.send(Self.list("me"))
            #expect(master.status == 404 && master.json?["code"]?.integer == 2001)
        }
    }

    @Test("Invoices: every list of a shorter period is the one that Zoom gives")
    func shorterPeriods() async throws {
        let clock = TestClock()
        try await Self.with(time: clock) { service, sandbox in
            let id = try await Self.account(service, sandbox)
            let calls = sandbox.requestCounts.operations
            for (from, to) in [
                ("2025-02-01", "2025-02-28"), ("2025-03-15", "2025-09-14"), ("2025-12-31", "2026-01-31"),
                ("2025-05-01", "2025-05-01"),
            ] {
                let derived = try await service.send(Self.list(id, "from=\(from)&to=\(to)"))
                #expect(derived.fields.string(.age) == "0" && sandbox.requestCounts.operations == calls)
                // A service without cached lists.
                try await Self.with(time: clock) { other, _ in
                    let direct = try await other.send(Self.list(id, "from=\(from)&to=\(to)"))
                    #expect(direct.status == 200 && direct.body == derived.body)
                    #expect(direct.fields.string(.etag) == derived.fields.string(.etag))
                }
            }
        }
    }

    @Test("Invoices: a new list within five minutes is 429 with an honest Retry-After, and costs no call to Zoom")
    func quota() async throws {
        let clock = TestClock()
        try await Self.with(limits: .business, time: clock) { service, sandbox in
            let id = try await Self.account(service, sandbox)
            let calls = sandbox.requestCounts.operations
            clock.advance(by: .seconds(100))
            let refused = try await service.send(Self.list(id), [(.cacheControl, "no-cache")])
            #expect(refused.status == 429 && refused.fields.string(.retryAfter) == "200")
            #expect(refused.json?["type"]?.string == "/v2/errors#account-rate-limit")
            #expect(
                refused.json?["message"]?.string
                    == "Zoom permits one such request in 5 minutes and 6 a day for an account. Try again later.")
            // A period that is not inside.
            let other = try await service.send(Self.list(id, "from=2025-01-01&to=2025-12-31"))
            #expect(other.status == 429 && other.fields.string(.retryAfter) == "200")
            #expect(sandbox.requestCounts.operations == calls)
            clock.advance(by: .seconds(200))
            #expect(try await service.send(Self.list(id), [(.cacheControl, "no-cache")]).status == 200)
            #expect(sandbox.requestCounts.rateLimited == 0)
        }
    }

    @Test("Invoices: concurrent requests on many accounts make one call for each, and none is 429")
    func coalescing() async throws {
        try await Self.with(
            accounts: 20, limits: .business, rate: .init(perSecond: 40, perDay: 60_000), time: SystemTime()
        ) {
            service, sandbox in
            let today = CalendarDate(of: SystemTime().timestamp)
            let from = try #require(today.adding(years: -1))
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<200 {
                    let target = Self.list(sandbox.accounts.id(of: number % 20), "from=\(from)&to=\(today)")
                    group.addTask { try await service.send(target).status }
                }
                return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
            }
            #expect(statuses.isSubset(of: [200, 400]))
            let counts = sandbox.requestCounts
            #expect(counts.operations.values.reduce(0, +) == 20 + counts.tokens && counts.rateLimited == 0)
        }
    }

    // MARK: Details

    @Test("Invoices: details have every member digit for digit, and are cached for half an hour")
    func details() async throws {
        let body =
            #"{"id":"i1","currency":"USD","total_amount":12345678901234567.89,"tax_amount":0.10,"balance":-0,"rate":1.50E-7,"#
            + #""future":{"list":[1.0,null,"Ⅷ"]},"invoice_items":[{"charge_name":"Business","total_amount":9007199254740993}]}"#
        let calls = Mutex(0)
        let zoom = ScriptedHandler { request in
            if request.path.elementsEqual("/oauth/token".utf8) {
                return .now(.text(#"{"access_token":"t","expires_in":3600}"#))
            }
            calls.withLock { $0 += 1 }
            return .now(.text(body))
        }
        let clock = TestClock()
        try await TestZoom.with(zoom, time: clock) { client in
            try await TestService.with(source: client, time: clock) { service in
                let target = "/v2/accounts/a/billing/invoices/i1"
                let first = try await service.send(target)
                #expect(first.status == 200 && String(buffer: first.body) == body)
                #expect(first.fields.string(.cacheControl) == "private, max-age=1800")
                clock.advance(by: .seconds(1799))
                let second = try await service.send(target)
                #expect(second.fields.string(.age) == "1799" && second.body == first.body)
                #expect(calls.withLock { $0 } == 1)
                clock.advance(by: .seconds(1))
                #expect(try await service.send(target).fields.string(.age) == "0")
                #expect(calls.withLock { $0 } == 2)
                let refused = try await service.send(target, [(.cacheControl, "no-cache")])
                #expect(refused.status == 429 && refused.fields.string(.retryAfter) == "1800")
                #expect(
                    refused.json?["message"]?.string
                        == "Zoom permits one such request in 30 minutes for an invoice and 100 a day for its account. "
                        + "Try again later.")
            }
        }
    }

    @Test("Invoices: details of every listed invoice add up, and an unknown id is 404 like another account's")
    func listedDetails() async throws {
        try await Self.with { service, sandbox in
            let id = try await Self.account(service, sandbox)
            let listed = try Self.ids(try await service.send(Self.list(id)))
            for invoice in listed.prefix(3) {
                let details = try await service.send("/v2/accounts/\(id)/billing/invoices/\(invoice)")
                #expect(details.status == 200 && details.json?["id"]?.string == invoice)
                #expect(details.json?["invoice_items"]?.array?.isEmpty == false)
            }
            func refusal(_ account: String, _ invoice: String) async throws -> String {
                let response = try await service.send("/v2/accounts/\(account)/billing/invoices/\(invoice)")
                #expect(response.status == 404 && response.fields.string(.cacheControl) == "private, no-store")
                let instance = response.json?["instance"]?.string ?? ""
                return String(buffer: response.body).replacing(instance, with: "").replacing(invoice, with: "ID")
            }
            // Another account with invoices.
            var other: String?
            for number in 0..<50 where other == nil && sandbox.accounts.id(of: number) != id {
                let response = try await service.send(Self.list(sandbox.accounts.id(of: number)))
                if response.status == 200 { other = sandbox.accounts.id(of: number) }
            }
            let foreign = try await refusal(try #require(other), try #require(listed.first))
            #expect(foreign == (try await refusal(try #require(other), "2c92ffffffffffffffffffffffffffff")))
            let malformed = try await service.send("/v2/accounts/\(id)/billing/invoices/a!b")
            #expect(malformed.status == 400 && malformed.json?["code"]?.integer == 300)
        }
    }
}
