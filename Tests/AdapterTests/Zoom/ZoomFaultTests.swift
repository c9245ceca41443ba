import Adapters
import Domain
import DomainFakes
import NIOCore
import Synchronization
import Testing

/// A scripted Zoom that counts its requests.
private final class ScriptedZoom: Sendable {
    private struct State {
        var tokens = 0
        var calls: [String: Int] = [:]
    }

    private let state = Mutex(State())
    private let token: @Sendable (Int) -> HTTPResponse
    private let call: @Sendable (String, Int) -> Reply

    /// - Parameters:
    ///   - call: The response to a call, given its account and the number of earlier calls for that account.
    ///   - token: The response to a token request, given the number of earlier token requests.
    init(
        call: @escaping @Sendable (String, Int) -> Reply = { _, _ in .now(.text(#"{"city":"Oakland"}"#)) },
        token: @escaping @Sendable (Int) -> HTTPResponse = { .text(#"{"access_token":"t\#($0)","expires_in":3600}"#) }
    ) {
        self.token = token
        self.call = call
    }

    var tokens: Int { state.withLock { $0.tokens } }
    func calls(_ account: String) -> Int { state.withLock { $0.calls[account] ?? 0 } }

    var handler: ScriptedHandler {
        ScriptedHandler { [self] request in
            if request.path.elementsEqual("/oauth/token".utf8) {
                return .now(
                    token(
                        state.withLock { state in
                            state.tokens += 1
                            return state.tokens - 1
                        }))
            }
            let parts = String(decoding: request.path, as: UTF8.self).split(separator: "/")
            let account = parts.count > 2 ? String(parts[2]) : "list"
            let number = state.withLock { state in
                state.calls[account, default: 0] += 1
                return (state.calls[account] ?? 1) - 1
            }
            return call(account, number)
        }
    }

    func with(
        retryTime: Duration = .zero, time: any TimeSource = AutoAdvancingClock(),
        _ test: (ZoomMasters) async throws -> Void
    ) async throws {
        try await withServer(handler) { server in
            try await TestZoom.with(
                server, [.test(server)], FakeCredentials([.test()]), retryTime: retryTime, time: time
            ) { client in try await test(client) }
        }
    }
}

private func response(
    _ status: Int, _ body: String = "", _ fields: [(FieldName, String)] = []
) -> HTTPResponse {
    var response = HTTPResponse.text(body, status: status)
    for (name, value) in fields { response.fields.append(name, value) }
    return response
}

private func failure(_ client: ZoomMasters, _ account: String) async -> BillingFailure? {
    do throws(BillingFailure) {
        _ = try await client.billing(of: AccountID(literal: account), for: .interactive)
        return nil
    } catch {
        return error
    }
}

@Suite("Zoom client: circuit breaker", .timeLimit(.minutes(10)))
struct ZoomCircuitTests {
    @Test("unreadable responses for one account never open the circuit for other accounts")
    func unreadable() async throws {
        let zoom = ScriptedZoom { account, _ in
            .now(response(200, account == "bad" ? "no JSON" : #"{"city":"Oakland"}"#))
        }
        try await zoom.with(retryTime: .seconds(15)) { client in
            for _ in 0..<40 { #expect(await failure(client, "bad") == .sourceFailed) }
            #expect(await failure(client, "good") == nil)
        }
    }

    @Test(
        "20 failures of one account open the circuit for this account only",
        arguments: [
            .now(response(500, #"{"code":500,"message":"Failed."}"#)), .now(response(502, "<html></html>")),
            .stream(HTTPResponse(status: 200)) { _ in .broken }, .abandoned { .disconnect },
        ] as [Reply])
    func oneAccount(reply: Reply) async throws {
        let zoom = ScriptedZoom { account, _ in account == "bad" ? reply : .now(response(200, #"{"city":"Oakland"}"#)) }
        try await zoom.with { client in
            for _ in 0..<20 { #expect(await failure(client, "bad") == .sourceFailed) }
            #expect(await failure(client, "bad") == .sourceUnavailable(retryAfter: .seconds(5)))
            #expect(await failure(client, "good") == nil)
            #expect(client.reports.map(\.isCircuitOpen) == [false])
        }
    }

    @Test("failures of 20 accounts in a row open the circuit for all, and one success between them prevents it")
    func manyAccounts() async throws {
        let zoom = ScriptedZoom { account, _ in
            .now(account == "good" ? response(200, #"{"city":"Oakland"}"#) : response(500))
        }
        try await zoom.with { client in
            for number in 0..<19 { #expect(await failure(client, "a\(number)") == .sourceFailed) }
            #expect(await failure(client, "good") == nil)
            for number in 0..<20 { #expect(await failure(client, "b\(number)") == .sourceFailed) }
            #expect(await failure(client, "good") == .sourceUnavailable(retryAfter: .seconds(5)))
            #expect(client.reports.map(\.isCircuitOpen) == [true])
        }
    }

    @Test("losing a connection with 50 calls counts as one failure and does not open the circuit")
    func lostConnection() async throws {
        let zoom = ScriptedZoom { account, number in
            number == 0 && account != "first"
                ? .abandoned { .disconnect } : .now(response(200, #"{"city":"Oakland"}"#))
        }
        try await zoom.with(retryTime: .seconds(15), time: SystemTime()) { client in
            #expect(await failure(client, "first") == nil)
            let failures = await withTaskGroup { group in
                for number in 0..<50 { group.addTask { await failure(client, "a\(number)") } }
                var failures: [BillingFailure] = []
                for await case let failure? in group { failures.append(failure) }
                return failures
            }
            #expect(!failures.contains { if case .sourceUnavailable = $0 { true } else { false } })
            #expect(client.reports.map(\.isCircuitOpen) == [false])
            #expect(await failure(client, "first") == nil)
        }
    }

    @Test("the retries of a call count as one failure, so three failing calls do not open the circuit")
    func retries() async throws {
        let zoom = ScriptedZoom { account, _ in .now(response(account == "good" ? 200 : 503, #"{"city":"Oakland"}"#)) }
        try await zoom.with(retryTime: .seconds(15)) { client in
            for account in ["a", "b", "c"] { #expect(await failure(client, account) == .sourceFailed) }
            #expect(zoom.calls("a") + zoom.calls("b") + zoom.calls("c") > 10)
            #expect(await failure(client, "good") == nil)
        }
    }

    @Test("failures of the token endpoint do not open the circuit of the API")
    func tokenEndpoint() async throws {
        let clock = TestClock()
        let zoom = ScriptedZoom(token: { $0 == 0 ? response(500) : response(200, #"{"access_token":"t"}"#) })
        try await zoom.with(time: clock) { client in
            for _ in 0..<40 { #expect(await failure(client, "a") == .sourceFailed) }
            #expect(zoom.tokens == 1)
            clock.advance(by: .seconds(2))
            #expect(await failure(client, "a") == nil)
        }
    }

    @Test(
        "after a 503 with Retry-After, calls for that account fail with the remaining time and are not sent",
        arguments: ["90", "Sat, 31 Jan 2026 12:01:30 GMT"])
    func retryAfter(value: String) async throws {
        let clock = TestClock()
        let zoom = ScriptedZoom { account, number in
            .now(
                account == "a" && number == 0
                    ? response(503, "", [(.retryAfter, value)]) : response(200, #"{"city":"x"}"#))
        }
        try await zoom.with(retryTime: .seconds(15), time: clock) { client in
            #expect(await failure(client, "a") == .sourceUnavailable(retryAfter: .seconds(90)))
            clock.advance(by: .seconds(30))
            #expect(await failure(client, "a") == .sourceUnavailable(retryAfter: .seconds(60)))
            #expect(await failure(client, "b") == nil)
            #expect(zoom.calls("a") == 1)
            clock.advance(by: .seconds(60))
            #expect(await failure(client, "a") == nil)
        }
    }
}

@Suite("Zoom client: refused tokens", .timeLimit(.minutes(10)))
struct ZoomTokenRefusalTests {
    @Test(
        "an error code for an invalid token causes one token refresh, with any status",
        arguments: [200, 400, 401, 403, 500],
        [
            #"{"code":124,"message":"Invalid access token."}"#, #"{"code":"124","message":"Access token is expired."}"#,
            #"{"code":4741,"message":"The token has been revoked"}"#,
            #"{"code":4738,"error_message":"The token is disabled by admin."}"#,
            #"{"code":4700,"message":"Token cannot be empty."}"#, #"{"code":201,"message":"access token is expired"}"#,
            #"{"code":124}"#,
        ])
    func renewed(status: Int, body: String) async throws {
        let zoom = ScriptedZoom { account, number in
            .now(account == "a" && number == 1 ? response(status, body) : response(200, #"{"city":"Oakland"}"#))
        }
        try await zoom.with { client in
            for _ in 0..<3 { #expect(await failure(client, "a") == nil) }
            #expect(zoom.tokens == 2 && zoom.calls("a") == 4)
        }
    }

    @Test(
        "other error codes do not cause a token refresh, with any status",
        arguments: [
            (#"{"code":124,"message":"Account does not exist: a."}"#, .accountNotFound(AccountID(literal: "a"))),
            (#"{"code":2001,"message":"Account does not exist: a."}"#, .accountNotFound(AccountID(literal: "a"))),
            (#"{"code":429,"message":"Too Many Requests"}"#, .rateLimited(retryAfter: .seconds(1))),
            (#"{"code":2100,"message":"Cannot process account."}"#, .sourceRejected),
            (
                #"{"code":4711,"message":"Invalid access token, does not contain scopes:[a, b]."}"#,
                .permissionMissing(anyOf: Operation.getBillingInformation.endpoint.scopes)
            ),
        ] as [(String, BillingFailure)], [200, 400, 401, 403, 500])
    func notRenewed(refusal: (String, BillingFailure), status: Int) async throws {
        let zoom = ScriptedZoom { _, _ in .now(response(status, refusal.0)) }
        try await zoom.with { client in
            #expect(await failure(client, "a") == refusal.1)
            #expect(zoom.calls("a") == 1)
        }
    }
}

@Suite("Zoom client: rate-limited token endpoint", .timeLimit(.minutes(10)))
struct ZoomTokenLimitTests {
    private static let forms = ["7", "Sat, 31 Jan 2026 12:00:07 GMT", "2026-01-31T12:00:07Z"]

    @Test(
        "until Retry-After has passed, calls fail with the remaining time and no token is requested",
        arguments: [429, 503], forms)
    func retryAfter(status: Int, value: String) async throws {
        let clock = TestClock(start: Timestamp(secondsSinceEpoch: 1_769_860_800))
        let zoom = ScriptedZoom(token: {
            $0 == 0 ? response(status, "{}", [(.retryAfter, value)]) : response(200, #"{"access_token":"t"}"#)
        })
        func refusal(_ seconds: Int) -> BillingFailure {
            status == 429
                ? .rateLimited(retryAfter: .seconds(seconds)) : .sourceUnavailable(retryAfter: .seconds(seconds))
        }
        try await zoom.with(time: clock) { client in
            await withTaskGroup { group in
                for number in 0..<20 { group.addTask { await failure(client, "a\(number)") } }
                for await failure in group { #expect(failure == refusal(7)) }
            }
            clock.advance(by: .seconds(4))
            #expect(await failure(client, "a") == refusal(3))
            #expect(zoom.tokens == 1)
            guard case .failing(let problem)? = client.reports.first?.health else {
                Issue.record("\(client.reports.map(\.health))")
                return
            }
            #expect(problem.reason.contains("/oauth/token answers with status \(status)"))
            clock.advance(by: .seconds(3))
            #expect(await failure(client, "a") == nil)
            #expect(zoom.tokens == 2)
        }
    }

    @Test("a call with enough retry time waits for Retry-After and succeeds")
    func waits() async throws {
        let clock = AutoAdvancingClock()
        let zoom = ScriptedZoom(token: {
            $0 == 0 ? response(429, "{}", [(.retryAfter, "7")]) : response(200, #"{"access_token":"t"}"#)
        })
        try await zoom.with(retryTime: .seconds(15), time: clock) { client in
            #expect(await failure(client, "a") == nil)
            #expect(zoom.tokens == 2 && clock.now.sinceOrigin >= .seconds(7) && clock.now.sinceOrigin < .seconds(9))
        }
    }

    @Test("a token stays in use after a refused refresh, which is retried only after Retry-After")
    func renewal() async throws {
        let clock = TestClock()
        let zoom = ScriptedZoom(token: {
            $0 == 1
                ? response(429, "{}", [(.retryAfter, "290")])
                : response(200, #"{"access_token":"t","expires_in":3600}"#)
        })
        try await zoom.with(time: clock) { client in
            #expect(await failure(client, "a") == nil)
            #expect(await failure(client, "a") == nil)
            try await clock.sleepers(1)
            clock.advance(by: .seconds(3600 - 299))
            try await clock.sleepers(1)
            #expect(zoom.tokens == 2)
            clock.advance(by: .seconds(200))
            #expect(await failure(client, "a") == nil)
            // The client stops using the token shortly before it expires. Calls then fail with the rest of the 290 s.
            clock.advance(by: .seconds(80))
            #expect(await failure(client, "a") == .rateLimited(retryAfter: .seconds(10)))
            #expect(zoom.tokens == 2)
            clock.advance(by: .seconds(10))
            #expect(await failure(client, "a") == nil)
            #expect(zoom.tokens == 3)
        }
    }
}

@Suite("Zoom client: wrong address", .timeLimit(.minutes(10)))
struct ZoomAddressTests {
    @Test(
        "an unknown path, a redirect and a web page are reported as a wrong zoom.api-url",
        arguments: [
            (response(404), "status 404, and not in Zoom's form"), (response(404, "{}"), "status 404"),
            (response(404, "<html></html>"), "status 404"), (response(405), "status 405"),
            (
                response(404, #"{"code":2300,"message":"This API endpoint is not recognized."}"#),
                "nothing is at this path"
            ),
            (response(404, #"{"code":404,"message":"Not found"}"#), "nothing is at this path"),
            (
                response(302, "", [(.location, "https://login.example/secret?token=secret")]),
                "a redirect (status 302, to https://login.example)"
            ), (response(301), "a redirect (status 301)"), (response(403, "<html></html>"), "a web page (status 403)"),
            (response(200, "\n <!DOCTYPE html>"), "a web page (status 200)"),
            (
                .text("The plain HTTP request was sent to HTTPS port", status: 400, contentType: "text/html"),
                "a web page"
            ),
        ] as [(HTTPResponse, String)])
    func api(answer: HTTPResponse, reason: String) async throws {
        let logged = Event<Void>()
        let zoom = ScriptedZoom { _, _ in .now(answer) }
        try await withServer(zoom.handler) { server in
            try await TestZoom.with(
                server, [.test(server)], FakeCredentials([.test()]),
                logger: .announcing("a call to Zoom failed", logged)
            ) { client in
                let ended = await failure(client, "a")
                #expect(ended == .sourceFailed || ended == .sourceRejected)
                try await logged.next()
                guard case .failing(let problem)? = client.reports.first?.health else {
                    Issue.record("\(client.reports.map(\.health))")
                    return
                }
                #expect(problem.reason.hasPrefix("http://127.0.0.1:\(server.port)/v2 answers with "))
                #expect(problem.reason.contains(reason) && !problem.reason.contains("secret"))
                #expect(problem.remedy.hasPrefix("check zoom.api-url (it must end in /v2"))
            }
        }
    }

    @Test(
        "errors about an account and gateway errors are not reported as a wrong zoom.api-url",
        arguments: [
            response(404, #"{"code":3200,"message":"Cannot find Zuora subscription for account:a."}"#),
            response(502, "<html></html>"), response(503, "<html></html>"), response(200, "{}"),
        ])
    func zoom(answer: HTTPResponse) async throws {
        let zoom = ScriptedZoom { _, _ in .now(answer) }
        try await zoom.with { client in
            let ended = await failure(client, "a")
            #expect(ended == .sourceFailed || ended == .sourceRejected)
            if case .failing(let problem)? = client.reports.first?.health {
                #expect(!problem.remedy.hasPrefix("check zoom.api-url"))
            }
        }
    }

    @Test("a token endpoint at another address is reported as a wrong zoom.oauth-url, not as refused credentials")
    func oauth() async throws {
        for (answer, reason) in [
            (response(404), "nothing is at this path"), (response(302), "a redirect (status 302)"),
            (response(200, "<html></html>"), "a web page (status 200)"), (response(405), "status 405"),
        ] {
            let zoom = ScriptedZoom(token: { _ in answer })
            try await zoom.with { client in
                await client.obtainTokens()
                guard case .failing(let problem)? = client.reports.first?.health else {
                    Issue.record("\(client.reports.map(\.health))")
                    return
                }
                #expect(problem.reason.contains("/oauth/token answers with") && problem.reason.contains(reason))
                #expect(problem.remedy.hasPrefix("check zoom.oauth-url (Zoom's is https://zoom.us/oauth/token)"))
                let ended = await failure(client, "a")
                #expect(ended == .sourceFailed || ended == .sourceRejected)
            }
        }
    }
}

@Suite("Zoom client: invalid text in JSON", .timeLimit(.minutes(10)))
struct ZoomTextTests {
    /// A response in which each `~` is replaced by a byte that is not UTF-8.
    private static func bad(_ text: String) -> HTTPResponse {
        let bytes = Array(text.utf8).map { $0 == UInt8(ascii: "~") ? 0xFF : $0 }
        return HTTPResponse(status: 200, body: ByteBuffer(bytes: bytes))
    }

    @Test("lone surrogates and invalid UTF-8 in a contact become U+FFFD")
    func contact() async throws {
        let zoom = ScriptedZoom { _, _ in
            .now(
                Self.bad(
                    #"{"city":"Koeln \ud83d","first_name":"~","zip":01234,"no\udc00te~":{"x":"\ud83d"},"deep":[[~]]}"#))
        }
        try await zoom.with { client in
            let contact = try await client.billing(of: AccountID(literal: "a"), for: .interactive)
            #expect(contact[.city] == "Koeln \u{FFFD}" && contact[.firstName] == "\u{FFFD}" && contact[.zip] == "01234")
            #expect(contact.unread.map(\.name) == ["no\u{FFFD}te\u{FFFD}", "deep"])
            for member in contact.unread { #expect(throws: Never.self) { try JSONValue(parsing: member.value) } }
            #expect(zoom.calls("a") == 1)
        }
    }

    @Test(
        "account lists, errors and token responses with invalid text are read"
    )
    func others() async throws {
        let token = #"{"access_token":"t","token_type":"\ud83d~","scope":"account:master billing:master \ud83d"}"#
        let list = #"{"accounts":[{"id":"a","account_name":"\ud83d~"},{"account\ud83d":1,"id":"b"}]}"#
        let error = #"{"code":2001,"message":"Account does not exist: \ud83d~."}"#
        let zoom = ScriptedZoom(
            call: { account, _ in .now(Self.bad(account == "list" ? list : error)) }, token: { _ in Self.bad(token) })
        try await zoom.with { client in
            let accounts = try await client.subAccounts()
            #expect(accounts == ["a", "b"].map { AccountID(literal: $0) })
            #expect(await failure(client, "a") == .accountNotFound(AccountID(literal: "a")))
        }
    }
}
