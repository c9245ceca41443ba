import Adapters
import Domain
import DomainFakes
import NIOCore
import Synchronization
import Testing

@Suite("Zoom client: retries", .timeLimit(.minutes(10)))
struct ZoomRetryTests {
    private static let account = AccountID(literal: "a1")
    private static let contact = HTTPResponse.text(#"{"city":"Oakland"}"#)
    private static let unknown = HTTPResponse.text(
        #"{"code":2001,"message":"Account does not exist: a1."}"#, status: 404)

    /// A Zoom that gives these responses in order, and then repeats the last.
    private final class Zoom: Sendable {
        private struct State {
            var answers: [HTTPResponse]
            var callCount = 0
        }

        private let state: Mutex<State>

        init(_ answers: [HTTPResponse]) {
            state = Mutex(State(answers: answers))
        }

        var callCount: Int { state.withLock { $0.callCount } }

        func answers(_ answers: HTTPResponse...) {
            state.withLock { $0.answers = answers }
        }

        var handler: ScriptedHandler {
            ScriptedHandler { [self] request in
                if request.path.elementsEqual("/oauth/token".utf8) {
                    return .now(.text(#"{"access_token":"t","expires_in":3600}"#))
                }
                return .now(
                    state.withLock { state in
                        state.callCount += 1
                        return state.answers.count > 1 ? state.answers.removeFirst() : state.answers[0]
                    })
            }
        }
    }

    private static func with(
        _ answers: [HTTPResponse], retryTime: Duration = .seconds(15),
        _ test: (ZoomMasters, Zoom, AutoAdvancingClock) async throws -> Void
    ) async throws {
        let zoom = Zoom(answers)
        let clock = AutoAdvancingClock()
        try await withServer(zoom.handler) { server in
            try await TestZoom.with(
                server, [.test(server)], FakeCredentials([.test()]), retryTime: retryTime, time: clock
            ) { client in try await test(client, zoom, clock) }
        }
    }

    private static func text(_ status: Int, _ body: String = "", retryAfter: String? = nil) -> HTTPResponse {
        var response = HTTPResponse.text(body, status: status)
        if let retryAfter { response.fields.append(.retryAfter, retryAfter) }
        return response
    }

    @Test(
        "an interactive call is retried after a transient failure",
        arguments: [
            text(500), text(502, "<html>Bad gateway</html>"), text(503), text(504), text(429, "{}"), text(200, ""),
            text(200, "<html></html>"), text(200, #"{"city":"Oak"#),
        ])
    func transient(answer: HTTPResponse) async throws {
        try await Self.with([answer, answer, Self.contact]) { client, zoom, _ in
            let contact = try await client.billing(of: Self.account, for: .interactive)
            #expect(contact[.city] == "Oakland")
            #expect(zoom.callCount == 3)
        }
    }

    @Test(
        "a bulk call is not retried by the client",
        arguments: [
            (text(500), .sourceFailed), (text(502, "<html>Bad gateway</html>"), .sourceFailed),
            (text(503), .sourceFailed), (text(503, retryAfter: "7"), .sourceUnavailable(retryAfter: .seconds(7))),
            (text(504), .sourceFailed), (text(429, "{}"), .rateLimited(retryAfter: .seconds(1))),
            (text(200, ""), .sourceFailed), (text(200, #"{"city":"Oak"#), .sourceFailed),
            (text(400, #"{"code":2100,"message":"No."}"#), .sourceRejected),
        ] as [(HTTPResponse, BillingFailure)])
    func job(answer: HTTPResponse, failure: BillingFailure) async throws {
        try await Self.with([answer]) { client, zoom, _ in
            await #expect(throws: failure) { try await client.billing(of: Self.account, for: .bulk) }
            #expect(zoom.callCount == 1)
        }
    }

    @Test("failing bulk calls do not use up the retry budget of interactive calls")
    func budgetOfJobs() async throws {
        try await Self.with([Self.text(429, "{}")]) { client, zoom, _ in
            for number in 0..<300 {
                _ = try? await client.billing(of: Self.account, for: .bulk(isRetry: number > 0))
            }
            #expect(zoom.callCount == 300)
            zoom.answers(Self.text(500), Self.text(500), Self.contact)
            _ = try await client.billing(of: Self.account, for: .interactive)
            #expect(zoom.callCount == 303)
        }
    }

    @Test("bulk retries of one failing account do not open the circuit")
    func repeatedFailure() async throws {
        try await Self.with([Self.text(500)], retryTime: .zero) { client, zoom, _ in
            for number in 0..<50 {
                await #expect(throws: BillingFailure.sourceFailed) {
                    try await client.billing(of: Self.account, for: .bulk(isRetry: number > 0))
                }
            }
            #expect(zoom.callCount == 50)
        }
    }

    @Test("a retry waits for Retry-After")
    func retryAfter() async throws {
        try await Self.with([Self.text(503, retryAfter: "7"), Self.contact]) { client, _, clock in
            _ = try await client.billing(of: Self.account, for: .interactive)
            #expect(clock.now.sinceOrigin >= .seconds(7) && clock.now.sinceOrigin < .seconds(8))
        }
    }

    @Test(
        "a permanent failure is not retried",
        arguments: [
            (unknown, .accountNotFound(account)), (text(400, #"{"code":2100,"message":"No."}"#), .sourceRejected),
            (
                text(400, #"{"code":4711,"message":"Invalid access token, does not contain scopes:[a, b]."}"#),
                .permissionMissing(anyOf: Operation.getBillingInformation.endpoint.scopes)
            ),
            (text(404, "{}"), .sourceRejected),
        ] as [(HTTPResponse, BillingFailure)])
    func permanent(answer: HTTPResponse, failure: BillingFailure) async throws {
        try await Self.with([answer]) { client, zoom, _ in
            await #expect(throws: failure) { try await client.billing(of: Self.account, for: .interactive) }
            #expect(zoom.callCount == 1)
        }
    }

    private static func limited(
        _ message: String, _ fields: [(StaticString, String)] = []
    ) -> HTTPResponse {
        var response = HTTPResponse.text(#"{"code":429,"message":"\#(message)"}"#, status: 429)
        for (name, value) in fields { response.fields.append(FieldName(name), value) }
        return response
    }

    private static let userLimit =
        "You have exceeded the daily rate limit (100) of Get Billing API requests permitted for this particular user. "
        + "You may resume these requests at GMT 00:00:00."

    @Test(
        "a 429 about one account pauses this account only",
        arguments: [
            (limited(userLimit), 43_200),
            (
                limited(
                    "You have exceeded the daily rate limit (6) of List billing invoices API request for this account. "
                        + "This limit resets at GMT 00:00:00."), 43_200
            ),
            (limited("Too many concurrent requests. A request to disassociate this user has already been made."), 10),
            (limited("Too Many Requests", [("x-ratelimit-remaining", "79")]), 10),
            (
                limited(
                    "Too Many Requests", [("x-ratelimit-category", "Light"), ("x-ratelimit-type", "Daily-limit")]), 10
            ),
            (limited(userLimit, [("retry-after", "90")]), 90),
            (limited(userLimit, [("x-ratelimit-category", "Medium"), ("x-ratelimit-type", "Daily-limit")]), 43_200),
        ])
    func singleLimit(answer: HTTPResponse, seconds: Int) async throws {
        try await Self.with([answer, Self.contact], retryTime: .zero) { client, zoom, clock in
            let failure = BillingFailure.rateLimited(retryAfter: .seconds(seconds))
            await #expect(throws: failure) { try await client.billing(of: Self.account, for: .interactive) }
            let now = clock.now
            _ = try await client.billing(of: AccountID(literal: "a2"), for: .interactive)
            _ = try await client.billing(of: AccountID(literal: "a3"), for: .bulk)
            #expect(clock.now == now && zoom.callCount == 3)
            // Until the pause ends, calls for this account are not sent.
            for purpose in [Purpose.interactive, .bulk] {
                await #expect(throws: failure) { try await client.billing(of: Self.account, for: purpose) }
            }
            #expect(zoom.callCount == 3)
            for _ in 0..<(seconds / 200 + 1) {
                try await clock.sleep(until: clock.now + .seconds(min(seconds, 200)))
            }
            _ = try await client.billing(of: Self.account, for: .interactive)
            #expect(zoom.callCount == 4)
        }
    }

    @Test(
        "a 429 about the rate limit label applies to all accounts",
        arguments: [
            (
                limited("You have reached the maximum per-second rate limit for this API. Try again later."),
                .rateLimited(retryAfter: .seconds(1))
            ),
            (
                limited(
                    "You have reached the maximum daily rate limit for this API. Refer to the response header for details "
                        + "on when you can make another request.", [("x-ratelimit-category", "Heavy")]),
                .dailyQuotaSpent(retryAfter: .seconds(43_200))
            ),
            (
                limited("Too Many Requests", [("x-ratelimit-type", "QPS"), ("x-ratelimit-remaining", "0")]),
                .rateLimited(retryAfter: .seconds(1))
            ),
            (limited("Too Many Requests"), .rateLimited(retryAfter: .seconds(1))),
        ] as [(HTTPResponse, BillingFailure)])
    func labelLimit(answer: HTTPResponse, failure: BillingFailure) async throws {
        try await Self.with([answer, Self.contact], retryTime: .zero) { client, zoom, _ in
            await #expect(throws: failure) { try await client.billing(of: Self.account, for: .interactive) }
            #expect(zoom.callCount == 1)
            // A client without a configured rate pauses neither the label nor the account.
            _ = try await client.billing(of: Self.account, for: .interactive)
            #expect(zoom.callCount == 2)
        }
    }

    @Test("retries stop at the deadline and the last failure is reported")
    func deadline() async throws {
        try await Self.with([Self.text(429, "{}", retryAfter: "5")], retryTime: .seconds(12)) { client, zoom, clock in
            await #expect(throws: BillingFailure.rateLimited(retryAfter: .seconds(5))) {
                try await client.billing(of: Self.account, for: .interactive)
            }
            #expect(zoom.callCount == 3 && clock.now.sinceOrigin < .seconds(12))
        }
    }

    @Test("the retry budget bounds retries to 10 % of the calls")
    func retryBudget() async throws {
        // 429 responses do not open the circuit.
        try await Self.with([Self.text(429, "{}")]) { client, zoom, _ in
            for _ in 0..<300 {
                await #expect(throws: BillingFailure.rateLimited(retryAfter: .seconds(1))) {
                    try await client.billing(of: Self.account, for: .interactive)
                }
            }
            #expect(zoom.callCount > 300 && zoom.callCount <= 300 + 30 + 10)
        }
    }

    @Test("20 failures open the circuit, calls then fail at once, and a successful probe closes it")
    func circuit() async throws {
        try await Self.with([Self.text(500)], retryTime: .zero) { client, zoom, clock in
            for _ in 0..<20 {
                await #expect(throws: BillingFailure.sourceFailed) {
                    try await client.billing(of: Self.account, for: .interactive)
                }
            }
            for _ in 0..<5 {
                await #expect(throws: BillingFailure.sourceUnavailable(retryAfter: .seconds(5))) {
                    try await client.billing(of: Self.account, for: .interactive)
                }
            }
            #expect(zoom.callCount == 20)
            try await clock.sleep(until: clock.now + .seconds(5))
            await #expect(throws: BillingFailure.sourceFailed) {
                try await client.billing(of: Self.account, for: .interactive)
            }
            await #expect(throws: BillingFailure.sourceUnavailable(retryAfter: .seconds(10))) {
                try await client.billing(of: Self.account, for: .interactive)
            }
            #expect(zoom.callCount == 21)
            zoom.answers(Self.contact)
            try await clock.sleep(until: clock.now + .seconds(10))
            for _ in 0..<3 { _ = try await client.billing(of: Self.account, for: .interactive) }
            #expect(zoom.callCount == 24)
        }
    }

    @Test("a probe that is refused with 401 closes the circuit")
    func refusedProbe() async throws {
        try await Self.with([Self.text(500)], retryTime: .zero) { client, zoom, clock in
            for _ in 0..<20 {
                await #expect(throws: BillingFailure.sourceFailed) {
                    try await client.billing(of: Self.account, for: .interactive)
                }
            }
            zoom.answers(Self.text(401, #"{"code":124,"message":"Invalid access token."}"#), Self.contact)
            try await clock.sleep(until: clock.now + .seconds(5))
            for _ in 0..<2 { _ = try await client.billing(of: Self.account, for: .interactive) }
            #expect(zoom.callCount == 23)
        }
    }

    @Test("error responses about an account do not open the circuit")
    func answers() async throws {
        try await Self.with([Self.unknown]) { client, zoom, _ in
            for _ in 0..<30 {
                await #expect(throws: BillingFailure.accountNotFound(Self.account)) {
                    try await client.billing(of: Self.account, for: .interactive)
                }
            }
            #expect(zoom.callCount == 30)
        }
    }
}
