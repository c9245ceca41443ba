import Adapters
import Domain
import DomainFakes
import Instrumentation
import NIOCore
import Synchronization
import Testing

@Suite("The Zoom client", .timeLimit(.minutes(1)))
struct ZoomClientTests {
    private static let account = AccountID(literal: "a1")

    // MARK: Tokens

    @Test("fetches one token, however many calls wait for it")
    func oneToken() async throws {
        try await TestZoom.with { zoom in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<200 {
                    group.addTask { _ = try await zoom.client.billing(of: zoom.paidAccount, for: .interactive) }
                }
                try await group.waitForAll()
            }
            #expect(zoom.sandbox.requestCounts.tokens == 1)
        }
    }

    @Test("renews a token that is in use ahead of its end, at a moment of its own, while calls go on with the old one")
    func renewal() async throws {
        let clock = TestClock()
        try await TestZoom.with(time: clock) { zoom in
            _ = try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            try await clock.sleepers(1)
            clock.advance(by: .seconds(3600 - 601))
            _ = try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            #expect(zoom.sandbox.requestCounts.tokens == 1)
            clock.advance(by: .seconds(302))
            // Nobody has asked for it: it happens all the same, and sleeps until the next one is due.
            try await clock.sleepers(1)
            #expect(zoom.sandbox.requestCounts.tokens == 2)
            _ = try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            #expect(zoom.sandbox.requestCounts.tokens == 2)
        }
    }

    @Test("lets a token expire that nobody uses, and takes another for the next call")
    func unused() async throws {
        let clock = TestClock()
        try await TestZoom.with(time: clock) { zoom in
            await zoom.client.obtainTokens()
            clock.advance(by: .seconds(3599))
            #expect(zoom.sandbox.requestCounts.tokens == 1)
            _ = try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            #expect(zoom.sandbox.requestCounts.tokens == 2)
        }
    }

    @Test("takes one new token when Zoom no longer knows the one it had, and no call fails for it")
    func revoked() async throws {
        try await TestZoom.with { zoom in
            _ = try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            zoom.sandbox.revokeTokens()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<50 {
                    group.addTask { _ = try await zoom.client.billing(of: zoom.paidAccount, for: .interactive) }
                }
                try await group.waitForAll()
            }
            #expect(zoom.sandbox.requestCounts.tokens == 2)
        }
    }

    @Test("does not ask again and again with credentials that are refused")
    func wrongSecret() async throws {
        let clock = TestClock()
        try await TestZoom.with(secret: "wrong", time: clock) { zoom in
            for _ in 0..<10 {
                await #expect(throws: BillingFailure.credentialsRefused) {
                    try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
                }
            }
            #expect(zoom.sandbox.requestCounts.tokens == 1)
            clock.advance(by: .seconds(3))
            _ = try? await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            #expect(zoom.sandbox.requestCounts.tokens == 2)
        }
    }

    @Test(
        "says that Zoom refuses an app that may not use the Billing API",
        arguments: [
            (.ordinary, ["billing:master"], .credentialsRefused),
            (.freeMaster, ["billing:master"], .credentialsRefused),
            (
                .paidMaster, ["account:master"],
                .permissionMissing(anyOf: ZoomOperation.getBillingInformation.scopes)
            ),
        ] as [(SandboxConfiguration.App.Account, [String], BillingFailure)])
    func notPermitted(
        account: SandboxConfiguration.App.Account, scopes: [String], failure: BillingFailure
    ) async throws {
        var app = TestZoom.app
        app.account = account
        app.scopes = scopes
        try await TestZoom.with(app: app) { zoom in
            await #expect(throws: failure) {
                try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            }
        }
    }

    @Test("does not ask for what its token does not permit, and asks again once the app has the scope")
    func scopes() async throws {
        var app = TestZoom.app
        app.scopes = ["account:master"]
        try await TestZoom.with(app: app) { zoom in
            await zoom.client.obtainTokens()
            #expect(zoom.client.reports.map(\.missing) == [[.getBillingInformation]])
            let failure = BillingFailure.permissionMissing(anyOf: ZoomOperation.getBillingInformation.scopes)
            app.scopes.append("billing:master")
            zoom.sandbox.replace(app)
            await #expect(throws: failure) {
                try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            }
            #expect(zoom.sandbox.requestCounts.billing == 0)
            // That call has had another token fetched.
            while !zoom.client.reports.allSatisfy(\.missing.isEmpty) { try await Self.yield() }
            _ = try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            #expect(zoom.sandbox.requestCounts.tokens == 2)
        }
    }

    private static func yield() async throws {
        try Task.checkCancellation()
        await Task.yield()
    }

    // MARK: Pacer

    private static func spacing(perSecond: Double) -> Duration {
        (.seconds(1) + Pacer.guardTime) / perSecond
    }

    @Test("spaces its calls evenly, and lets those that somebody waits for go first")
    func pace() async throws {
        let clock = TestClock()
        try await TestZoom.with(rate: .init(perSecond: 10), time: clock) { zoom in
            let done = Event<Purpose>()
            // Started at once, and so in the queue when this returns.
            func ask(_ purpose: Purpose) -> Task<Void, any Error> {
                Task.immediate {
                    _ = try await zoom.client.billing(of: zoom.paidAccount, for: purpose)
                    done.fire(purpose)
                }
            }
            // The first goes at once; the others wait for their slots.
            let first = ask(.interactive)
            #expect(try await done.next() == .interactive)
            let others = [ask(.bulk), ask(.bulk)]
            let last = ask(.interactive)
            for (slot, purpose) in [Purpose.interactive, .bulk, .bulk].enumerated() {
                try await clock.sleepers(2)
                #expect(zoom.sandbox.requestCounts.billing == slot + 1)
                clock.advance(by: Self.spacing(perSecond: 10))
                #expect(try await done.next() == purpose)
            }
            for task in others + [first, last] { try await task.joined }
        }
    }

    @Test("turns away at once who would wait too long for a slot, and says how long")
    func tooLong() async throws {
        let clock = TestClock()
        try await TestZoom.with(rate: .init(perSecond: 1, share: 0.1), waitMax: .seconds(5), time: clock) { zoom in
            _ = try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            clock.advance(by: .seconds(4))
            await #expect(
                throws: BillingFailure.rateLimited(retryAfter: Self.spacing(perSecond: 0.1) - .milliseconds(4004))
            ) {
                try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            }
        }
    }

    @Test("does not wait for a permit longer than its caller's request may take, however long the caller would")
    func waitLimit() async throws {
        let clock = TestClock()
        try await TestZoom.with(
            rate: .init(perSecond: 1, share: 0.1), waitMax: .seconds(60), interactiveTimeMax: .seconds(5), time: clock
        ) { zoom in
            _ = try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            let wait = Self.spacing(perSecond: 0.1) - .milliseconds(4)
            for queueTimeout in [nil, Duration.seconds(300)] {
                await #expect(throws: BillingFailure.rateLimited(retryAfter: wait)) {
                    try await zoom.client.billing(
                        of: zoom.paidAccount, for: .interactive(for: nil, queueTimeout: queueTimeout))
                }
            }
        }
    }

    @Test("keeps within a plan's limits: no call is refused for its rate")
    func withinLimits() async throws {
        let clock = TestClock()
        try await TestZoom.with(limits: .pro, rate: .init(perSecond: 20), time: clock) { zoom in
            let done = Event<Void>()
            let asking = (0..<100).map { _ in
                Task.immediate {
                    _ = try await zoom.client.billing(of: zoom.paidAccount, for: .bulk)
                    done.fire()
                }
            }
            try await done.next()
            for _ in 1..<100 {
                // One more waits until the token is due.
                try await clock.sleepers(2)
                clock.advance(by: Self.spacing(perSecond: 20))
                try await done.next()
            }
            for task in asking { try await task.joined }
            #expect(zoom.sandbox.requestCounts.rateLimited == 0)
            #expect(zoom.sandbox.requestCounts.billing == 100)
            #expect(clock.now.sinceOrigin == Self.spacing(perSecond: 20) * 99)
        }
    }

    @Test("says that the budget is spent when Zoom says so")
    func rateLimited() async throws {
        let clock = TestClock()
        try await TestZoom.with(limits: .free, time: clock) { zoom in
            for _ in 0..<2 { _ = try await zoom.client.billing(of: zoom.paidAccount, for: .interactive) }
            await #expect(throws: BillingFailure.rateLimited(retryAfter: .seconds(1))) {
                try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            }
        }
    }

    @Test(
        "says until when nothing is left of the day when Zoom says so, and asks no more",
        arguments: [
            (["x-ratelimit-type": "Daily-limit", "retry-after": "2026-02-01T00:00:00Z"], "Try again later.", 43_200),
            ([:], "You have exceeded the daily rate limit (10) of this API.", 43_200),
            (["retry-after": "60"], "You have reached the maximum daily rate limit for this API.", 60),
        ] as [([String: String], String, Int)])
    func dailyQuotaSpent(fields: [String: String], message: String, wait: Int) async throws {
        let asked = Mutex(0)
        let handler = ScriptedHandler { request in
            if request.path.elementsEqual("/oauth/token".utf8) {
                return .now(.text(#"{"access_token":"t","expires_in":3600}"#))
            }
            asked.withLock { $0 += 1 }
            var response = HTTPResponse.text(#"{"code":429,"message":"\#(message)"}"#, status: 429)
            if let type = fields["x-ratelimit-type"] { response.fields.append(FieldName("x-ratelimit-type"), type) }
            if let after = fields["retry-after"] { response.fields.append(.retryAfter, after) }
            return .now(response)
        }
        let noon = Timestamp(secondsSinceEpoch: 1_769_860_800)
        try await TestZoom.with(handler, rate: .init(perSecond: 20), time: TestClock(start: noon)) { client in
            for purpose in [Purpose.interactive, .bulk] {
                await #expect(throws: BillingFailure.dailyQuotaSpent(retryAfter: .seconds(wait))) {
                    try await client.billing(of: Self.account, for: purpose)
                }
            }
        }
        #expect(asked.withLock { $0 } == 1)
    }

    @Test("uses what Zoom says is left beside others, and lets callers take turns", .timeLimit(.minutes(1)))
    func turns() async throws {
        let clock = TestClock()
        try await TestZoom.with(rate: .init(perSecond: 10), time: clock) { zoom in
            let done = Event<String>()
            func ask(_ caller: String) -> Task<Void, any Error> {
                Task.immediate {
                    _ = try await zoom.client.billing(
                        of: zoom.paidAccount, for: .interactive(for: Name(literal: caller)))
                    done.fire(caller)
                }
            }
            let first = ask("a")
            #expect(try await done.next() == "a")
            let others = ["a", "a", "a", "b"].map(ask)
            // All four are in the queue once somebody behind them would wait for four turns more than for the next slot.
            func wait() async -> Duration {
                let purpose = Purpose.interactive(for: Name(literal: "a"), queueTimeout: .zero)
                do throws(BillingFailure) {
                    _ = try await zoom.client.billing(of: zoom.paidAccount, for: purpose)
                } catch {
                    if case .rateLimited(let wait) = error { return wait }
                }
                return .zero
            }
            while await wait() < .milliseconds(450) { try Task.checkCancellation() }
            for caller in ["a", "b", "a", "a"] {
                // One more waits until the token is due.
                try await clock.sleepers(2)
                clock.advance(by: Self.spacing(perSecond: 10))
                #expect(try await done.next() == caller)
            }
            for task in others + [first] { try await task.joined }
        }
    }

    // MARK: Answers

    /// A Zoom that gives every call the same answer, after a good token.
    private static func answering(_ response: HTTPResponse) -> ScriptedHandler {
        ScriptedHandler { request in
            if request.path.elementsEqual("/oauth/token".utf8) {
                return .now(.text(#"{"access_token":"t","expires_in":3600}"#))
            }
            return .now(response)
        }
    }

    struct Refusal: CustomTestStringConvertible {
        let status: Int
        let body: String
        let failure: BillingFailure

        init(_ status: Int, _ body: String, _ failure: BillingFailure) {
            self.status = status
            self.body = body
            self.failure = failure
        }

        var testDescription: String { "\(status) \(body.prefix(60))" }
    }

    @Test(
        "takes no answer for a contact that is none",
        arguments: [
            Refusal(502, "<html>Bad gateway</html>", .sourceFailed),
            Refusal(200, "", .sourceFailed),
            Refusal(200, "<html></html>", .sourceFailed),
            Refusal(200, #"{"address":"12 Exam"#, .sourceFailed),
            Refusal(200, "[]", .sourceFailed),
            Refusal(200, "{}", .sourceFailed),
            Refusal(200, #"{"invoices":[]}"#, .sourceFailed),
            Refusal(200, #"{"code":200,"message":"No permission."}"#, .credentialsRefused),
            Refusal(404, #"{"code":2001,"message":"Account does not exist: a1."}"#, .accountNotFound(account)),
            Refusal(404, #"{"code":"2001","message":"Account does not exist: a1."}"#, .accountNotFound(account)),
            Refusal(404, #"{"code":1001,"message":"User does not exist."}"#, .accountNotFound(account)),
            Refusal(401, #"{"code":124,"message":"Account does not exist: a1."}"#, .accountNotFound(account)),
            Refusal(401, #"{"code":124,"message":"Invalid access token."}"#, .credentialsRefused),
            Refusal(
                400, #"{"code":4711,"message":"Invalid access token, does not contain scopes:[a, b]."}"#,
                .permissionMissing(anyOf: ZoomOperation.getBillingInformation.scopes)),
            Refusal(400, #"{"code":2100,"message":"Cannot process account."}"#, .sourceRejected),
            Refusal(429, #"{"code":429,"message":"Too Many Requests"}"#, .rateLimited(retryAfter: .seconds(1))),
            Refusal(500, "", .sourceFailed),
        ])
    func refusals(refusal: Refusal) async throws {
        try await TestZoom.with(Self.answering(.text(refusal.body, status: refusal.status))) { client in
            await #expect(throws: refusal.failure) {
                try await client.billing(of: Self.account, for: .interactive)
            }
        }
    }

    @Test(
        "knows every way in which Zoom says self pay",
        arguments: [
            #"{"code":2100,"message":"This sub account is on self pay mode."}"#,
            #"{"code":"2100","error_message":"This sub account is on Self Pay mode."}"#,
            #"{"code":2100,"message":"This sub account is paid by self."}"#,
        ])
    func selfPay(body: String) async throws {
        for status in [400, 200] {
            try await TestZoom.with(Self.answering(.text(body, status: status))) { client in
                let billing = try await client.billing(of: Self.account, for: .interactive)
                // An error with status 200 needs both its members to be one.
                #expect(billing == .selfPay)
            }
        }
    }

    @Test("reads a contact leniently and loses nothing of it")
    func lenient() async throws {
        let body = #"""
            {"address":null,"city":"Oakland","zip":94607,"code":0,"employee_count":"2-10","email":"a@example.com",
             "tax":{"rate":1.50}}
            """#
        try await TestZoom.with(Self.answering(.text(body))) { client in
            let contact = try await client.billing(of: Self.account, for: .interactive).visibleContact()
            #expect(contact[.zip] == "94607" && contact[.address] == "")
            #expect(contact.missing == [.address, .country, .firstName, .lastName, .phoneNumber, .state])
            #expect(contact.unread.map(\.name) == ["code", "employee_count", "tax"])
            #expect(contact.unread.last?.value == Array(#"{"rate":1.50}"#.utf8))
        }
    }

    @Test(
        "reads Retry-After in each of its forms",
        arguments: [
            ("7", Duration.seconds(7)), ("2026-01-31T12:00:30Z", .seconds(30)),
            ("Sat, 31 Jan 2026 12:01:00 GMT", .seconds(60)), ("2020-05-31T00:00:00Z", .zero),
            ("999999999", .seconds(86_400)), ("2999-01-01T00:00:00Z", .seconds(86_400)), ("soon", .seconds(1)),
            ("-5", .seconds(1)),
        ])
    func retryAfter(text: String, wait: Duration) async throws {
        var response = HTTPResponse.text(#"{"code":429,"message":"Too Many Requests"}"#, status: 429)
        response.fields.append(.retryAfter, text)
        let noon = Timestamp(secondsSinceEpoch: 1_769_860_800)
        try await TestZoom.with(Self.answering(response), time: TestClock(start: noon)) { client in
            await #expect(throws: BillingFailure.rateLimited(retryAfter: wait)) {
                try await client.billing(of: Self.account, for: .interactive)
            }
        }
    }

    @Test("takes no list for whole that has an account without an id, or no end")
    func lists() async throws {
        for body in [#"{"accounts":[{"id":"a"},{"name":"b"}]}"#, #"{"accounts":{}}"#, #"{"next_page_token":"x"}"#] {
            try await TestZoom.with(Self.answering(.text(body))) { client in
                await #expect(throws: BillingFailure.sourceFailed) { try await client.subAccounts() }
            }
        }
    }

    @Test("lists every sub account, page by page")
    func pages() async throws {
        try await TestZoom.with(accounts: 1001) { zoom in
            let accounts = try await zoom.client.subAccounts()
            #expect(Set(accounts).count == 1001)
            #expect(zoom.sandbox.requestCounts.accountPages == 4)
        }
    }

    @Test("sends what Zoom needs to see, the trace of the request included")
    func request() async throws {
        let seen = Mutex<[String?]>([])
        let handler = ScriptedHandler { request in
            if request.path.elementsEqual("/oauth/token".utf8) {
                return .now(.text(#"{"access_token":"t","expires_in":3600}"#))
            }
            seen.withLock {
                $0 = [
                    request.fields.string(.path), request.fields.string(.authorization),
                    request.fields.string(.accept), request.fields.string(.traceparent),
                ]
            }
            return .now(.text(#"{"city":"Oakland"}"#))
        }
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        var context = InstrumentationContext.topLevel
        ServiceTracer().extract(["traceparent": trace], into: &context, using: DictionaryExtractor())
        try await TestZoom.with(handler) { client in
            _ = try await InstrumentationContext.withValue(context) {
                try await client.billing(of: Self.account, for: .interactive)
            }
        }
        #expect(seen.withLock { $0 } == ["/v2/accounts/a1/billing", "Bearer t", "application/json", trace])
    }
}
