import Adapters
import Domain
import DomainFakes
import NIOCore
import Synchronization
import Testing

@Suite("The Zoom client, when Zoom fails", .timeLimit(.minutes(1)))
struct ZoomRetryTests {
    private static let account = AccountID(literal: "a1")
    private static let contact = HTTPResponse.text(#"{"city":"Oakland"}"#)
    private static let unknown = HTTPResponse.text(
        #"{"code":2001,"message":"Account does not exist: a1."}"#, status: 404)

    /// A Zoom that gives these answers, one after another, and the last one from then on.
    private final class Zoom: Sendable {
        private struct State {
            var answers: [HTTPResponse]
            var asked = 0
        }

        private let state: Mutex<State>

        init(_ answers: [HTTPResponse]) {
            state = Mutex(State(answers: answers))
        }

        var asked: Int { state.withLock { $0.asked } }

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
                        state.asked += 1
                        return state.answers.count > 1 ? state.answers.removeFirst() : state.answers[0]
                    })
            }
        }
    }

    private static func with(
        _ answers: [HTTPResponse], retryTime: Duration = .seconds(15),
        _ test: (ZoomMasters, Zoom, HurriedClock) async throws -> Void
    ) async throws {
        let zoom = Zoom(answers)
        let clock = HurriedClock()
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
        "asks again after what may pass, and gives the answer that comes then",
        arguments: [
            text(500), text(502, "<html>Bad gateway</html>"), text(503), text(504), text(429, "{}"), text(200, ""),
            text(200, "<html></html>"), text(200, #"{"city":"Oak"#),
        ])
    func passing(answer: HTTPResponse) async throws {
        try await Self.with([answer, answer, Self.contact]) { client, zoom, _ in
            for purpose in [Purpose.interactive, .bulk] {
                let contact = try await client.billing(of: Self.account, for: purpose).visibleContact()
                #expect(contact[.city] == "Oakland")
            }
            #expect(zoom.asked == 4)
        }
    }

    @Test("waits for as long as Zoom says before it asks again")
    func retryAfter() async throws {
        try await Self.with([Self.text(503, retryAfter: "7"), Self.contact]) { client, _, clock in
            _ = try await client.billing(of: Self.account, for: .interactive)
            #expect(clock.now.sinceOrigin >= .seconds(7) && clock.now.sinceOrigin < .seconds(8))
        }
    }

    @Test(
        "asks only once about what will not pass",
        arguments: [
            (unknown, .accountNotFound(account)), (text(400, #"{"code":2100,"message":"No."}"#), .sourceFailed),
            (
                text(400, #"{"code":4711,"message":"Invalid access token, does not contain scopes:[a, b]."}"#),
                .permissionMissing(anyOf: ZoomOperation.getBillingInformation.scopes)
            ),
            (text(404, "{}"), .sourceFailed),
        ] as [(HTTPResponse, BillingFailure)])
    func lasting(answer: HTTPResponse, failure: BillingFailure) async throws {
        try await Self.with([answer]) { client, zoom, _ in
            await #expect(throws: failure) { try await client.billing(of: Self.account, for: .interactive) }
            #expect(zoom.asked == 1)
        }
    }

    @Test("gives up when its time is over, and says what it met last")
    func deadline() async throws {
        try await Self.with([Self.text(429, "{}", retryAfter: "5")], retryTime: .seconds(12)) { client, zoom, clock in
            await #expect(throws: BillingFailure.budgetSpent(retryAfter: .seconds(5))) {
                try await client.billing(of: Self.account, for: .interactive)
            }
            #expect(zoom.asked == 3 && clock.now.sinceOrigin < .seconds(12))
        }
    }

    @Test(
        "asks at most one more time in ten, however much fails and however patient a job is",
        arguments: [Purpose.interactive, .bulk(patience: .seconds(60))])
    func allowance(purpose: Purpose) async throws {
        // Refusals for the rate do not open the circuit.
        try await Self.with([Self.text(429, "{}")]) { client, zoom, _ in
            for _ in 0..<300 {
                await #expect(throws: BillingFailure.budgetSpent(retryAfter: .seconds(1))) {
                    try await client.billing(of: Self.account, for: purpose)
                }
            }
            #expect(zoom.asked > 300 && zoom.asked <= 300 + 30 + 10)
        }
    }

    @Test("has a job wait until something may be asked once more, and only for as long as it cares to")
    func patientJob() async throws {
        try await Self.with([Self.text(429, "{}")]) { client, zoom, clock in
            // What may be asked again is spent by others.
            for _ in 0..<20 {
                _ = try? await client.billing(of: Self.account, for: .interactive)
            }
            let start = clock.now
            _ = try? await client.billing(of: Self.account, for: .bulk(patience: .seconds(40)))
            #expect(clock.now - start > .seconds(30) && clock.now - start <= .seconds(40))
        }
    }

    @Test("leaves Zoom alone after twenty failures, says so at once, and comes back when Zoom does")
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
            #expect(zoom.asked == 20)
            try await clock.sleep(until: clock.now + .seconds(5))
            await #expect(throws: BillingFailure.sourceFailed) {
                try await client.billing(of: Self.account, for: .interactive)
            }
            await #expect(throws: BillingFailure.sourceUnavailable(retryAfter: .seconds(10))) {
                try await client.billing(of: Self.account, for: .interactive)
            }
            #expect(zoom.asked == 21)
            zoom.answers(Self.contact)
            try await clock.sleep(until: clock.now + .seconds(10))
            for _ in 0..<3 { _ = try await client.billing(of: Self.account, for: .interactive) }
            #expect(zoom.asked == 24)
        }
    }

    @Test("comes back also when the token is refused that it asks with whether Zoom is there")
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
            #expect(zoom.asked == 23)
        }
    }

    @Test("takes an answer that is an error for a sign that Zoom is there")
    func answers() async throws {
        try await Self.with([Self.unknown]) { client, zoom, _ in
            for _ in 0..<30 {
                await #expect(throws: BillingFailure.accountNotFound(Self.account)) {
                    try await client.billing(of: Self.account, for: .interactive)
                }
            }
            #expect(zoom.asked == 30)
        }
    }
}
