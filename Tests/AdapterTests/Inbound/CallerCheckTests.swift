import Adapters
import Domain
import DomainFakes
import Testing

@Suite("Whoever calls", .timeLimit(.minutes(1)))
struct CallerCheckTests {
    @Test(
        "with a token that is mistyped is told so, and with one that was never given out or was revoked is not told which"
    )
    func tokens() async throws {
        let (good, revoked) = (CallerToken.make(), CallerToken.make())
        let callers = FakeCallers([good: .everything, revoked: .everything])
        try await TestService.with(source: FakeSource(), callers: callers) { service in
            callers.set(revoked, to: nil)
            func send(_ token: String) async throws -> ClientResponse {
                try await service.send("/v2/accounts/a/billing", token: token, [(.requestID, "same")])
            }
            #expect(try await send(good).status == 200)
            let mistyped = try await send(String(good.dropLast()) + (good.last == "x" ? "y" : "x"))
            #expect(mistyped.status == 401)
            #expect(mistyped.json?["message"] == .string("Invalid access token: it is mistyped or cut off."))
            #expect(mistyped.fields.string(.wwwAuthenticate)?.contains("mistyped or cut off") == true)
            let known = try await send(revoked)
            for token in [CallerToken.make(), "never-ours", "eyJhbGciOiJub25lIn0.e30."] {
                let unknown = try await send(token)
                #expect(unknown.status == 401 && unknown.json == known.json && unknown.body == known.body)
                #expect(unknown.fields.string(.wwwAuthenticate) == known.fields.string(.wwwAuthenticate))
            }
        }
    }

    @Test("has the rate of its own and not of another's")
    func rates() async throws {
        let (limited, free) = (CallerToken.make(), CallerToken.make())
        let callers = FakeCallers([
            limited: Caller(
                name: Name(literal: "limited"), scopes: [.billingRead], rate: Caller.Rate(atOnce: 2, perSecond: 1)),
            free: Caller(name: Name(literal: "free"), scopes: [.billingRead]),
        ])
        try await TestService.with(source: FakeSource(), callers: callers) { service in
            var answers: [ClientResponse] = []
            // As many as do not fit into the time they take, however slow the machine.
            for _ in 0..<40 { answers.append(try await service.send("/v2/accounts/a/billing", token: limited)) }
            #expect(answers[0].status == 200 && answers[1].status == 200)
            let refused = try #require(answers.first { $0.status != 200 })
            #expect(refused.status == 429 && refused.fields.string(.retryAfter) == "1")
            #expect(refused.json?["message"] == .string("The caller sends more requests than it may."))
            #expect(try await service.send("/v2/accounts/a/billing", token: free).status == 200)
        }
    }
}
