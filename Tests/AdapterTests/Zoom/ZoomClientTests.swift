import Adapters
import Domain
import DomainFakes
import Instrumentation
import NIOCore
import Synchronization
import Testing

@Suite("Zoom client", .timeLimit(.minutes(10)))
struct ZoomClientTests {
    private static let account = AccountID(literal: "a1")

    // MARK: Tokens

    @Test("200 concurrent calls fetch one access token")
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

    @Test("an access token in use is refreshed before it expires, and calls use the old one meanwhile")
    func renewal() async throws {
        let clock = TestClock()
        try await TestZoom.with(time: clock) { zoom in
            _ = try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            try await clock.sleepers(1)
            clock.advance(by: .seconds(3600 - 601))
            _ = try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            #expect(zoom.sandbox.requestCounts.tokens == 1)
            clock.advance(by: .seconds(302))
            // The refresh needs no call; then the client sleeps until the next refresh is due.
            try await clock.sleepers(1)
            #expect(zoom.sandbox.requestCounts.tokens == 2)
            _ = try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            #expect(zoom.sandbox.requestCounts.tokens == 2)
        }
    }

    @Test("an unused access token expires, and the next call fetches a new one")
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

    @Test("when Zoom revokes the access token, one new token is fetched and no call fails")
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

    @Test("refused credentials are not sent again before the back-off has passed")
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
        "an app without access to the Billing API gets the failure that names the cause",
        arguments: [
            (.ordinary, ["billing:master"], .credentialsRefused),
            (.freeMaster, ["billing:master"], .credentialsRefused),
            (
                .paidMaster, ["account:master"],
                .permissionMissing(anyOf: Operation.getBillingInformation.endpoint.scopes)
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

    @Test("a call whose scope is missing is not sent, and is sent after the app got the scope")
    func scopes() async throws {
        var app = TestZoom.app
        app.scopes = ["account:master"]
        try await TestZoom.with(app: app) { zoom in
            await zoom.client.obtainTokens()
            let missing = Operation.allCases.filter { !$0.endpoint.scopes.contains("account:master") }
            #expect(missing.contains(.getBillingInformation) && zoom.client.reports.map(\.missing) == [missing])
            let failure = BillingFailure.permissionMissing(anyOf: Operation.getBillingInformation.endpoint.scopes)
            app.scopes.append("billing:master")
            zoom.sandbox.replace(app)
            await #expect(throws: failure) {
                try await zoom.client.billing(of: zoom.paidAccount, for: .interactive)
            }
            #expect(zoom.sandbox.requestCounts.billing == 0)
            // The failed call started the fetch of a new token.
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

    @Test("calls are spaced evenly, and interactive calls precede bulk calls")
    func pace() async throws {
        let clock = TestClock()
        try await TestZoom.with(rate: .init(perSecond: 10), time: clock) { zoom in
            let done = Event<Purpose>()
            // Starts immediately, so the call is in the queue when this returns.
            func call(_ purpose: Purpose) -> Task<Void, any Error> {
                Task.immediate {
                    _ = try await zoom.client.billing(of: zoom.paidAccount, for: purpose)
                    done.fire(purpose)
                }
            }
            // The first call is sent at once; the others wait for their slots.
            let first = call(.interactive)
            #expect(try await done.next() == .interactive)
            let others = [call(.bulk), call(.bulk)]
            let last = call(.interactive)
            for (slot, purpose) in [Purpose.interactive, .bulk, .bulk].enumerated() {
                try await clock.sleepers(2)
                #expect(zoom.sandbox.requestCounts.billing == slot + 1)
                clock.advance(by: Self.spacing(perSecond: 10))
                #expect(try await done.next() == purpose)
            }
            for task in others + [first, last] { try await task.joined }
        }
    }

    @Test("a call whose slot is after the queue deadline fails at once with the wait as Retry-After")
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

    @Test("the queueing time is bounded by the request timeout, even if the caller would wait longer")
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

    @Test("100 calls at the plan's rate are never refused with 429")
    func withinLimits() async throws {
        let clock = TestClock()
        try await TestZoom.with(limits: .pro, rate: .init(perSecond: 20), time: clock) { zoom in
            let done = Event<Void>()
            let tasks = (0..<100).map { _ in
                Task.immediate {
                    _ = try await zoom.client.billing(of: zoom.paidAccount, for: .bulk)
                    done.fire()
                }
            }
            try await done.next()
            for _ in 1..<100 {
                // One further sleeper waits for the token refresh.
                try await clock.sleepers(2)
                clock.advance(by: Self.spacing(perSecond: 20))
                try await done.next()
            }
            for task in tasks { try await task.joined }
            #expect(zoom.sandbox.requestCounts.rateLimited == 0)
            #expect(zoom.sandbox.requestCounts.billing == 100)
            #expect(clock.now.sinceOrigin == Self.spacing(perSecond: 20) * 99)
        }
    }

    @Test("a 429 from Zoom is reported as rate limited")
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
        "after a 429 for the daily limit, calls fail until it resets and are not sent",
        arguments: [
            (["x-ratelimit-type": "Daily-limit", "retry-after": "2026-02-01T00:00:00Z"], "Try again later.", 43_200),
            ([:], "You have exceeded the daily rate limit (10) of this API.", 43_200),
            (["retry-after": "60"], "You have reached the maximum daily rate limit for this API.", 60),
        ] as [([String: String], String, Int)])
    func dailyQuotaSpent(fields: [String: String], message: String, wait: Int) async throws {
        let callCount = Mutex(0)
        let handler = ScriptedHandler { request in
            if request.path.elementsEqual("/oauth/token".utf8) {
                return .now(.text(#"{"access_token":"t","expires_in":3600}"#))
            }
            callCount.withLock { $0 += 1 }
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
        #expect(callCount.withLock { $0 } == 1)
    }

    @Test("queued calls of different callers are sent in turn")
    func fairQueue() async throws {
        let clock = TestClock()
        try await TestZoom.with(rate: .init(perSecond: 10), time: clock) { zoom in
            let done = Event<String>()
            func call(_ caller: String) -> Task<Void, any Error> {
                Task.immediate {
                    _ = try await zoom.client.billing(
                        of: zoom.paidAccount, for: .interactive(for: Name(literal: caller)))
                    done.fire(caller)
                }
            }
            let first = call("a")
            #expect(try await done.next() == "a")
            let others = ["a", "a", "a", "b"].map(call)
            // All four calls are queued once a further call would wait for five slots.
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
                // One further sleeper waits for the token refresh.
                try await clock.sleepers(2)
                clock.advance(by: Self.spacing(perSecond: 10))
                #expect(try await done.next() == caller)
            }
            for task in others + [first] { try await task.joined }
        }
    }

    // MARK: Responses

    /// A Zoom that issues a valid token and gives every call the same response.
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
        "an error or unreadable response is the expected failure, never a contact",
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
                .permissionMissing(anyOf: Operation.getBillingInformation.endpoint.scopes)),
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
        "every form of Zoom's self-pay error is recognized",
        arguments: [
            #"{"code":2100,"message":"This sub account is on self pay mode."}"#,
            #"{"code":"2100","error_message":"This sub account is on Self Pay mode."}"#,
            #"{"code":2100,"message":"This sub account is paid by self."}"#,
        ])
    func selfPay(body: String) async throws {
        for status in [400, 200] {
            try await TestZoom.with(Self.answering(.text(body, status: status))) { client in
                // With status 200, only a response with both code and message counts as an error.
                await #expect(throws: BillingFailure.selfPay) {
                    try await client.billing(of: Self.account, for: .interactive)
                }
            }
        }
    }

    @Test("a contact with missing, unknown or mistyped members is read without loss")
    func lenient() async throws {
        let body = #"""
            {"address":null,"city":"Oakland","zip":94607,"code":0,"employee_count":"2-10","email":"a@example.com",
             "tax":{"rate":1.50}}
            """#
        try await TestZoom.with(Self.answering(.text(body))) { client in
            let contact = try await client.billing(of: Self.account, for: .interactive)
            #expect(contact[.zip] == "94607" && contact[.address] == "")
            #expect(contact.missing == [.address, .country, .firstName, .lastName, .phoneNumber, .state])
            #expect(contact.unread.map(\.name) == ["code", "employee_count", "tax"])
            #expect(contact.unread.last?.value == Array(#"{"rate":1.50}"#.utf8))
        }
    }

    @Test(
        "every form of Retry-After is read",
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

    @Test("a malformed account list is a failure")
    func lists() async throws {
        for body in [#"{"accounts":[{"id":"a"},{"name":"b"}]}"#, #"{"accounts":{}}"#, #"{"next_page_token":"x"}"#] {
            try await TestZoom.with(Self.answering(.text(body))) { client in
                await #expect(throws: BillingFailure.sourceFailed) { try await client.subAccounts() }
            }
        }
    }

    @Test("all pages of the account list are read")
    func pages() async throws {
        try await TestZoom.with(accounts: 1001) { zoom in
            let accounts = try await zoom.client.subAccounts()
            #expect(Set(accounts).count == 1001)
            #expect(zoom.sandbox.requestCounts.accountPages == 4)
        }
    }

    @Test("a call has path, Authorization, Accept and the request's traceparent")
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
