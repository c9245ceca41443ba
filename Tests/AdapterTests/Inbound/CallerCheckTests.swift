import Adapters
import Domain
import DomainFakes
import Testing

@Suite("Caller authentication", .timeLimit(.minutes(10)))
struct CallerCheckTests {
    @Test(
        "a mistyped token is reported as such; unknown and revoked tokens get the same response"
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
            #expect(mistyped.json?["message"] == .string("Invalid access token: it is mistyped or truncated."))
            #expect(mistyped.fields.string(.wwwAuthenticate)?.contains("mistyped or truncated") == true)
            let known = try await send(revoked)
            for token in [CallerToken.make(), "never-ours", "eyJhbGciOiJub25lIn0.e30."] {
                let unknown = try await send(token)
                #expect(unknown.status == 401 && unknown.json == known.json && unknown.body == known.body)
                #expect(unknown.fields.string(.wwwAuthenticate) == known.fields.string(.wwwAuthenticate))
            }
        }
    }

    struct Field: CustomTestStringConvertible, Sendable {
        let value: String
        let status: Int
        var testDescription: String { "\(value.debugDescription) -> \(status)" }
    }

    @Test(
        "Authorization is a scheme in any case, one or more spaces, and a token",
        arguments: Transport.allCases,
        [
            Field(value: "Bearer TOKEN", status: 200), Field(value: "Bearer  TOKEN", status: 200),
            Field(value: "bearer    TOKEN", status: 200), Field(value: "BEARER TOKEN", status: 200),
            Field(value: "Bearer", status: 400), Field(value: "Bearer TOKEN TOKEN", status: 400),
            Field(value: "Bearer TOKEN,Bearer TOKEN", status: 400), Field(value: "Bearer \tTOKEN", status: 400),
            Field(value: "Bearer\tTOKEN", status: 400), Field(value: "Bearer: TOKEN", status: 400),
            Field(value: "Bearer =TOKEN", status: 400), Field(value: "Bearer \"TOKEN\"", status: 400),
            Field(value: "Bearer token=TOKEN", status: 400), Field(value: "Bearer TOKÉN", status: 400),
            Field(value: "BearerTOKEN", status: 401), Field(value: "Basic dXNlcjpwYXNz", status: 401),
            Field(value: "Basic", status: 401), Field(value: "Digest username=\"a b\", realm=\"c\"", status: 401),
            Field(value: "TOKEN", status: 401), Field(value: "Bearer TOKENx", status: 401),
        ])
    func authorization(transport: Transport, field: Field) async throws {
        try await TestService.with(source: FakeSource(), over: transport) { service in
            let value = field.value.replacing("TOKEN", with: TestService.token)
            let answer = try await service.send("/v2/accounts/a/billing", token: nil, [(.authorization, value)])
            #expect(answer.status == field.status)
            let challenge = answer.fields.string(.wwwAuthenticate)
            switch field.status {
            case 200: #expect(challenge == nil)
            case 400:
                // RFC 6750, 3.1.
                #expect(challenge == #"Bearer error="invalid_request""#)
                let errors = answer.json?["errors"]?.array
                #expect(errors?.first?.object?["field"] == .string("authorization"))
            case _: #expect(challenge?.contains("invalid_token") == value.hasPrefix("Bearer "))
            }
        }
    }

    @Test("an unknown token counts as a guess, and a malformed Authorization field does not")
    func guesses() async throws {
        try await TestService.with(source: FakeSource()) { service in
            func status(_ value: String) async throws -> Int {
                try await service.send("/v2/accounts/a/billing", token: nil, [(.authorization, value)]).status
            }
            for value in ["Bearer", "Bearer a b", "Basic a", "Bearer,a"] {
                for _ in 0..<60 { #expect(try await [400, 401].contains(status(value))) }
            }
            var statuses: [Int] = []
            // Until the burst is exceeded and the bucket refills more slowly than requests are sent.
            while statuses.last != 429, statuses.count < 10_000 { statuses.append(try await status("Bearer  wrong")) }
            #expect(statuses.last == 429 && statuses.count > 50)
        }
    }

    @Test("each caller has its own rate limit")
    func rates() async throws {
        let (limited, free) = (CallerToken.make(), CallerToken.make())
        let callers = FakeCallers([
            limited: Caller(
                name: Name(literal: "limited"), scopes: [.billingRead], rate: Caller.Rate(burst: 2, perSecond: 1)),
            free: Caller(name: Name(literal: "free"), scopes: [.billingRead]),
        ])
        try await TestService.with(source: FakeSource(), callers: callers) { service in
            var answers: [ClientResponse] = []
            // More requests than the bucket can refill while they are sent, even on a slow machine.
            for _ in 0..<40 { answers.append(try await service.send("/v2/accounts/a/billing", token: limited)) }
            #expect(answers[0].status == 200 && answers[1].status == 200)
            let refused = try #require(answers.first { $0.status != 200 })
            #expect(refused.status == 429 && refused.fields.string(.retryAfter) == "1")
            #expect(refused.json?["message"] == .string("The caller exceeded its request rate."))
            #expect(try await service.send("/v2/accounts/a/billing", token: free).status == 200)
        }
    }
}
