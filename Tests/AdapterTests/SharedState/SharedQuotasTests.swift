import Adapters
import Domain
import DomainFakes
import Testing

@Suite("Quotas of operations, shared through Redis", .timeLimit(.minutes(10)))
struct SharedQuotasTests {
    private static let master = AccountID(literal: "master")
    private static let account = AccountID(literal: "KGYzNgbemPk6V8vSm8dopw")
    private static let list = AccountQuotas.Subject(.listBillingInvoices, account: account)

    private static func details(_ invoice: String, of account: AccountID? = account) throws -> AccountQuotas.Subject {
        let id: InvoiceID = try #require(InvoiceID(invoice))
        return AccountQuotas.Subject(.getInvoiceDetails, account: account, invoice: id)
    }

    private static func with(
        _ test: (RedisServer, RedisSharedQuotas, RedisSharedQuotas) async throws -> Void
    ) async throws {
        try await RedisServer.with { server in
            try await server.withClient { first in
                try await server.withClient { second in
                    try await test(server, RedisSharedQuotas(first), RedisSharedQuotas(second))
                }
            }
        }
    }

    private static func granted(
        _ quotas: RedisSharedQuotas, _ subject: AccountQuotas.Subject
    ) async throws -> SharedQuotaReservation {
        guard case .granted(let reservation)? = await quotas.reserve(subject, under: master) else {
            Issue.record("the quota permits no request")
            throw CancellationError()
        }
        return reservation
    }

    /// The wait of a refused request; `nil` for one that is granted, or without an answer.
    private static func wait(_ quotas: RedisSharedQuotas, _ subject: AccountQuotas.Subject) async -> Duration? {
        guard case .refused(let wait)? = await quotas.reserve(subject, under: master) else { return nil }
        return wait
    }

    @Test("a request of another replica counts from its reservation until an interval after its end")
    func interval() async throws {
        try await Self.with { _, first, second in
            let reservation = try await Self.granted(first, Self.list)
            #expect(await Self.wait(second, Self.list) == .seconds(300))
            // A request that Zoom did not count leaves no interval, and no request of the day.
            await first.giveBack(reservation)
            let later = try await Self.granted(second, Self.list)
            await second.sent(later)
            let wait = try #require(await Self.wait(first, Self.list))
            #expect(wait <= .seconds(300) && wait > .seconds(200))
            // An earlier reservation can change nothing any more.
            await first.giveBack(reservation)
            #expect(await Self.wait(first, Self.list) != nil)
        }
    }

    @Test("each invoice has its own interval, also without its account, and another master account has its own quotas")
    func invoices() async throws {
        try await Self.with { _, first, second in
            await first.sent(try await Self.granted(first, Self.details("i1")))
            #expect(try await Self.wait(second, Self.details("i1")) != nil)
            _ = try await Self.granted(second, Self.details("i2"))
            _ = try await Self.granted(second, Self.details("i1", of: nil))
            #expect(try await Self.wait(first, Self.details("i1", of: nil)) != nil)
            let other = try await second.reserve(Self.details("i1"), under: AccountID(literal: "other"))
            guard case .granted? = other else {
                Issue.record("another master account has its own quotas")
                return
            }
        }
    }

    @Test("the requests of all replicas in a day are counted, and the day's quota refuses further ones until midnight")
    func day() async throws {
        try await Self.with { server, first, second in
            for number in 0..<6 {
                _ = try await Self.granted(number.isMultiple(of: 2) ? first : second, Self.list)
                // As if the interval had passed.
                let interval = try #require(await Self.key(server, "interval"))
                await server.run("DEL", interval)
            }
            let day = try #require(await Self.key(server, "day"))
            // So that midnight does not come between.
            await server.run("PERSIST", day)
            if await server.run("GET", day) != "6" { await server.run("SET", day, "6") }
            let wait = try #require(await Self.wait(first, Self.list))
            #expect(wait > .zero && wait <= .seconds(86_400))
            await server.run("DEL", day)
            _ = try await Self.granted(first, Self.list)
            let expires = try #require(Int(await server.run("TTL", day)))
            #expect(expires > 0 && expires <= 86_400)
        }
    }

    private static func key(_ server: RedisServer, _ kind: String) async -> String? {
        await server.run("KEYS", "*:quota:*").split(whereSeparator: \.isNewline).map(String.init)
            .first { $0.contains("}:\(kind)") }
    }

    @Test("a second replica does not send the request that the first one has sent, and sends it without Redis")
    func replicas() async throws {
        try await Self.with { redis, firstQuotas, secondQuotas in
            let sandbox = SandboxZoom(
                configuration: SandboxConfiguration(apps: [TestZoom.app], accounts: 10), time: SystemTime())
            try await withServer(sandbox) { server in
                func with(_ quotas: RedisSharedQuotas, _ test: (ZoomMasters) async throws -> Void) async throws {
                    let rate = RateBudget.Rules(perSecond: 60)
                    try await TestZoom.with(
                        server, [.test(server, rate: rate)], FakeCredentials([.test()]), sharedQuotas: quotas
                    ) { try await test($0) }
                }
                try await with(firstQuotas) { first in
                    try await with(secondQuotas) { second in
                        let account = AccountID(literal: sandbox.accounts.id(of: 0))
                        let today = CalendarDate(of: SystemTime().timestamp)
                        let period = try InvoicePeriod(from: "\(today)", to: "\(today)", today: today)
                        let read = AccountRead.invoices(of: account, in: period)
                        _ = try await first.answer(to: read, under: nil, for: .interactive)
                        await #expect(throws: BillingFailure.self) {
                            _ = try await second.answer(to: read, under: nil, for: .interactive)
                        }
                        #expect(sandbox.requestCounts.operations[.listBillingInvoices] == 1)
                        await redis.kill()
                        let third = AccountRead.invoices(of: AccountID(literal: sandbox.accounts.id(of: 1)), in: period)
                        _ = try await second.answer(to: third, under: nil, for: .interactive)
                    }
                }
            }
        }
    }
}
