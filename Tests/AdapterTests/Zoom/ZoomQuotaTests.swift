import Adapters
import Domain
import DomainFakes
import NIOCore
import Synchronization
import Testing

@Suite("Zoom client: quotas of accounts", .timeLimit(.minutes(10)))
struct ZoomQuotaTests {
    private static let a = AccountID(literal: "a1")
    private static let b = AccountID(literal: "b2")
    private static let list = HTTPResponse.text(#"{"currency":"USD","invoices":[]}"#)
    private static let document = HTTPResponse.text(#"{"id":"i1"}"#)

    private static func invoices(_ account: AccountID) throws -> AccountRead {
        try .invoices(
            of: account,
            in: InvoicePeriod(
                from: "2025-02-01", to: "2026-01-31", today: CalendarDate(of: TestClock().timestamp)))
    }

    private static func details(_ invoice: String, of account: AccountID = a) throws -> AccountRead {
        .invoice(try #require(InvoiceID(invoice)), of: account)
    }

    /// A Zoom that answers the first calls as given, and all later ones with success.
    private final class Zoom: Sendable {
        private let state: Mutex<(first: [HTTPResponse], paths: [String])>

        init(_ first: [HTTPResponse]) {
            state = Mutex((first, []))
        }

        /// The paths of the calls, without the query.
        var paths: [String] { state.withLock { $0.paths } }

        var handler: ScriptedHandler {
            ScriptedHandler { [self] request in
                let path = String(decoding: request.path, as: UTF8.self)
                if path == "/oauth/token" { return .now(.text(#"{"access_token":"t","expires_in":3600}"#)) }
                return .now(
                    state.withLock { state in
                        state.paths.append(path)
                        if !state.first.isEmpty { return state.first.removeFirst() }
                        return path.hasSuffix("/invoices") ? ZoomQuotaTests.list : ZoomQuotaTests.document
                    })
            }
        }
    }

    private static func with(
        _ first: [HTTPResponse] = [], retryTime: Duration = .seconds(15),
        _ test: (ZoomMasters, Zoom, AutoAdvancingClock) async throws -> Void
    ) async throws {
        let zoom = Zoom(first)
        let clock = AutoAdvancingClock()
        try await withServer(zoom.handler) { server in
            let master = ZoomMasters.Master(
                name: Name(literal: "main"), accountID: AccountID(literal: TestZoom.app.accountID),
                api: .init(origin: server.origin, path: "/v2"),
                oauth: .init(origin: server.origin, path: "/oauth/token"),
                rates: [.light: .init(perSecond: 80), .medium: .init(perSecond: 60), .heavy: .init(perSecond: 40)])
            try await TestZoom.with(
                server, [master], FakeCredentials([.test()]), retryTime: retryTime, time: clock
            ) { client in try await test(client, zoom, clock) }
        }
    }

    /// The failure of a read; `nil` if it succeeds.
    private static func failure(_ client: ZoomMasters, _ read: AccountRead, for purpose: Purpose = .interactive) async
        -> BillingFailure?
    {
        do throws(BillingFailure) {
            _ = try await client.answer(to: read, under: nil, for: purpose)
            return nil
        } catch {
            return error
        }
    }

    /// Whether a read failed for the quota, with this wait. The rate limiter may have spaced calls meanwhile.
    private static func isSpent(_ failure: BillingFailure?, _ operation: Domain.Operation, _ wait: Duration) -> Bool {
        guard case .accountQuotaSpent(operation, let retryAfter)? = failure else { return false }
        return retryAfter <= wait && retryAfter > wait - .seconds(2)
    }

    private static func advance(_ clock: AutoAdvancingClock, by duration: Duration) async throws {
        let end = clock.now + duration
        while clock.now < end { try await clock.sleep(until: min(end, clock.now + .seconds(300))) }
    }

    private static func refusal(
        _ message: String?, retryAfter: String? = nil, type: String? = nil, category: String? = nil,
        remaining: Int? = nil
    ) -> HTTPResponse {
        var response = HTTPResponse.text(
            message.map { #"{"code":429,"message":"\#($0)"}"# } ?? "", status: 429)
        if let retryAfter { response.fields.append(.retryAfter, retryAfter) }
        if let type { response.fields.append(FieldName("x-ratelimit-type"), type) }
        if let category { response.fields.append(FieldName("x-ratelimit-category"), category) }
        if let remaining { response.fields.append(FieldName("x-ratelimit-remaining"), remaining) }
        return response
    }

    // MARK: Our own count

    @Test("a second list within five minutes, and a seventh on a day, fail without a call to Zoom or a permit")
    func list() async throws {
        try await Self.with { client, zoom, clock in
            let read = try Self.invoices(Self.a)
            for number in 1...6 {
                #expect(await Self.failure(client, read) == nil)
                let wait = Duration.seconds(number == 6 ? 43_200 - 5 * 300 : 300)
                for purpose in [Purpose.interactive, .bulk] {
                    #expect(
                        Self.isSpent(await Self.failure(client, read, for: purpose), .listBillingInvoices, wait))
                }
                #expect(zoom.paths.count == number)
                try await Self.advance(clock, by: .seconds(300))
            }
            #expect(try await Self.failure(client, Self.invoices(Self.b)) == nil)
            #expect(zoom.paths.count == 7)
            let heavy = try #require(client.reports.first?.budgets.first { $0.label == .heavy })
            #expect(heavy.budget.dayUsed == 7)
        }
    }

    @Test("details of one invoice are read once in half an hour, those of other invoices at once")
    func details() async throws {
        try await Self.with { client, zoom, clock in
            #expect(try await Self.failure(client, Self.details("i1")) == nil)
            #expect(try await Self.failure(client, Self.details("i2")) == nil)
            #expect(
                Self.isSpent(
                    try await Self.failure(client, Self.details("i1")), .getInvoiceDetails, .seconds(1800)))
            // The same id of another account is another invoice.
            #expect(try await Self.failure(client, Self.details("i1", of: Self.b)) == nil)
            try await Self.advance(clock, by: .seconds(1800))
            #expect(try await Self.failure(client, Self.details("i1")) == nil)
            #expect(zoom.paths.count == 4)
        }
    }

    @Test(
        "a call that Zoom may have counted is not repeated, and spends the quota",
        arguments: [HTTPResponse.text("", status: 500), .text("", status: 503), .text("<html></html>"), .text("")],
        [Purpose.interactive, .bulk])
    func notRepeated(answer: HTTPResponse, purpose: Purpose) async throws {
        try await Self.with([answer]) { client, zoom, _ in
            let read = try Self.invoices(Self.a)
            let first = await Self.failure(client, read, for: purpose)
            #expect(first == .sourceFailed)
            #expect(
                Self.isSpent(
                    await Self.failure(client, read, for: purpose), .listBillingInvoices, .seconds(300)))
            #expect(zoom.paths.count == 1)
        }
    }

    @Test("a call whose token was refused is repeated with a new one, and counts once")
    func renewedToken() async throws {
        let refused = HTTPResponse.text(#"{"code":124,"message":"Access token is expired."}"#, status: 401)
        try await Self.with([refused]) { client, zoom, _ in
            let read = try Self.invoices(Self.a)
            #expect(await Self.failure(client, read) == nil)
            #expect(zoom.paths.count == 2)
            #expect(
                Self.isSpent(await Self.failure(client, read), .listBillingInvoices, .seconds(300)))
        }
    }

    @Test("a call that was not sent does not spend the quota")
    func notSent() async throws {
        let zoom = Zoom([])
        let clock = TestClock()
        let (first, second) = (try Self.invoices(Self.a), try Self.invoices(Self.b))
        try await withServer(zoom.handler) { server in
            let master = ZoomMasters.Master(
                name: Name(literal: "main"), accountID: AccountID(literal: TestZoom.app.accountID),
                api: .init(origin: server.origin, path: "/v2"),
                oauth: .init(origin: server.origin, path: "/oauth/token"), rates: [.heavy: .init(perSecond: 1)])
            try await TestZoom.with(server, [master], FakeCredentials([.test()]), time: clock) { client in
                #expect(await Self.failure(client, first) == nil)
                let impatient = Purpose.interactive(for: nil, queueTimeout: .zero)
                for _ in 0..<3 {
                    guard case .rateLimited(let wait)? = await Self.failure(client, second, for: impatient) else {
                        Issue.record("a permit is free")
                        return
                    }
                    #expect(wait > .zero && wait < .seconds(2))
                }
                clock.advance(by: .seconds(2))
                #expect(await Self.failure(client, second, for: impatient) == nil)
            }
        }
    }

    // MARK: Zoom's refusals

    /// What a 429 for one list or invoice stops.
    enum Stops: Equatable {
        /// This operation, for this account.
        case account
        /// This operation, for this invoice.
        case invoice
        /// Every operation of the label, for a moment: the call is repeated.
        case labelForAMoment
        /// Every operation of the label until the end of the day.
        case labelToday
    }

    struct Refusal: CustomTestStringConvertible {
        let name: String
        let response: HTTPResponse
        let list: Stops
        let details: Stops
        /// The time that Zoom states, or that follows from the text; `nil` for the interval of the quota.
        var wait: Duration?
        var testDescription: String { name }
    }

    private static let perDay =
        "You have exceeded the daily rate limit (6) of List billing invoices API request for this account. "
        + "This limit resets at GMT 00:00:00."

    /// It is noon.
    private static let refusals: [Refusal] = [
        Refusal(
            name: "per second of the label",
            response: refusal(
                "You have reached the maximum per-second rate limit for this API. Try again later.", type: "QPS",
                category: "Heavy", remaining: 0),
            list: .labelForAMoment, details: .labelForAMoment),
        Refusal(name: "bare", response: refusal(nil), list: .labelForAMoment, details: .labelForAMoment),
        Refusal(
            name: "per day of the label",
            response: refusal(
                "You have reached the maximum daily rate limit for this API. Refer to the response header for details on "
                    + "when you can make another request.", retryAfter: "2026-02-01T00:00:00Z", type: "Daily-limit",
                category: "Heavy", remaining: 0), list: .labelToday, details: .labelToday, wait: .seconds(43_200)),
        Refusal(
            name: "per day for this account", response: refusal(perDay), list: .account, details: .account,
            wait: .seconds(43_200)),
        Refusal(
            name: "per day for this account, with the fields of the label",
            response: refusal(
                perDay, retryAfter: "2026-02-01T00:00:00Z", type: "Daily-limit", category: "Heavy", remaining: 0),
            list: .account, details: .account, wait: .seconds(43_200)),
        Refusal(
            name: "for this account",
            response: refusal(
                "You have exceeded the rate limit of this API request for this account.", retryAfter: "60"),
            list: .account, details: .account, wait: .seconds(60)),
        Refusal(
            name: "Too Many Requests, with a date",
            response: refusal("Too Many Requests", retryAfter: "2026-01-31T12:03:00Z"), list: .account,
            details: .invoice, wait: .seconds(180)),
        Refusal(
            name: "Too Many Requests, with the fields of the label",
            response: refusal(
                "Too Many Requests", retryAfter: "180", type: "QPS", category: "Heavy", remaining: 9),
            list: .account, details: .invoice, wait: .seconds(180)),
        Refusal(
            name: "Too Many Requests, alone", response: refusal("Too Many Requests"), list: .account, details: .invoice),
        Refusal(
            name: "fields of another label", response: refusal("Wait.", type: "QPS", category: "Light", remaining: 0),
            list: .account, details: .invoice),
    ]

    @Test("a 429 for a list of invoices stops what Zoom limits, and nothing else", arguments: refusals)
    func refusedList(row: Refusal) async throws {
        try await Self.check(row, row.list, .listBillingInvoices, interval: .seconds(300)) { account, _ in
            try Self.invoices(account)
        }
    }

    @Test("a 429 for details of an invoice stops what Zoom limits, and nothing else", arguments: refusals)
    func refusedDetails(row: Refusal) async throws {
        try await Self.check(row, row.details, .getInvoiceDetails, interval: .seconds(1800)) { account, invoice in
            try Self.details(invoice, of: account)
        }
    }

    private static func check(
        _ row: Refusal, _ stops: Stops, _ operation: Domain.Operation, interval: Duration,
        _ read: (AccountID, String) throws -> AccountRead
    ) async throws {
        try await with([row.response]) { client, zoom, clock in
            let first = try read(a, "i1")
            let wait = row.wait ?? interval
            let isRepeated = stops == .labelForAMoment
            switch (stops, await failure(client, first)) {
            case (.labelForAMoment, nil): break
            case (.labelToday, .dailyQuotaSpent(wait)?): break
            case (.account, let failure?), (.invoice, let failure?): #expect(isSpent(failure, operation, wait))
            case (_, let failure): Issue.record("\(String(describing: failure))")
            }
            // A repeated call succeeds.
            #expect(zoom.paths.count == (isRepeated ? 2 : 1))
            let calls = zoom.paths.count
            // Another invoice of the account, another account, another Heavy operation, and other labels.
            let reads: [AccountRead] = [
                try read(a, "i2"), try read(b, "i1"), .planUsage(of: a), .planInformation(of: a),
                .subAccountDetails(of: a),
            ]
            var succeeded = 0
            for other in reads where other != first {
                let isHeavy = other.operation.endpoint.rateLabel == .heavy
                let failure = await failure(client, other)
                if isHeavy, stops == .labelToday {
                    #expect(failure.map { if case .dailyQuotaSpent = $0 { true } else { false } } ?? false, "\(other)")
                } else if stops == .account, other.operation == operation, other.account == a {
                    #expect(isSpent(failure, operation, wait), "\(other)")
                } else {
                    #expect(failure == nil, "\(other)")
                    succeeded += 1
                }
            }
            #expect(zoom.paths.count == calls + succeeded)
            guard stops == .account || stops == .invoice else { return }
            #expect(isSpent(await failure(client, first), operation, wait))
            #expect(zoom.paths.count == calls + succeeded)
            // Zoom did not count the refused call.
            try await advance(clock, by: wait)
            #expect(await failure(client, first) == nil)
        }
    }
}
