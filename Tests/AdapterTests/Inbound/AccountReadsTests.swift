import Adapters
import Domain
import DomainFakes
import NIOCore
import Synchronization
import Testing

/// Get sub account details, Get plan information and Get plan usage against a sandbox.
@Suite("Account details, plans and usage over HTTP", .timeLimit(.minutes(10)))
struct AccountReadsTests {
    private struct Fixture {
        let service: TestService
        let sandbox: SandboxZoom
        let clock: TestClock

        /// The response for one of the sandbox's accounts.
        func send(
            _ number: Int, _ suffix: String, method: String = "GET", _ fields: [(FieldName, String)] = []
        ) async throws -> ClientResponse {
            try await service.send(
                "/v2/accounts/\(sandbox.accounts.id(of: number))\(suffix)", method: method, fields)
        }

        func text(_ number: Int, _ suffix: String) async throws -> String {
            let response = try await send(number, suffix)
            #expect(response.status == 200)
            return String(buffer: response.body)
        }

        var calls: Int { sandbox.requestCounts.operations.values.reduce(0, +) }
    }

    private static func with(
        over transport: Transport = .h2c, _ test: (Fixture) async throws -> Void
    ) async throws {
        let clock = TestClock()
        try await TestZoom.with(time: clock) { zoom in
            try await TestService.with(source: zoom.client, over: transport, time: clock) { service in
                try await test(Fixture(service: service, sandbox: zoom.sandbox, clock: clock))
            }
        }
    }

    private static let suffixes = ["", "/plans", "/plans/usage"]

    // MARK: Shapes

    @Test("The details of an account have its owner and its pay mode as Zoom sent them")
    func details() async throws {
        try await Self.with { fixture in
            let regular = try #require(try await fixture.send(1, "").json)
            #expect(regular["id"] == .string(fixture.sandbox.accounts.id(of: 1)))
            #expect(regular["owner_email"] == .string("owner-1@example.com"))
            #expect(regular["options"]?.object?["pay_mode"] == .string("master"))
            // The details of an account that pays for itself are not refused, and say so.
            let selfPay = try #require(try await fixture.send(42, "").json)
            #expect(selfPay["options"]?.object?["pay_mode"] == .string("sub"))
            // Members that Zoom left out stay absent, and unknown ones are passed on.
            #expect(try await fixture.send(7, "").json?["options"] == nil)
            #expect(try await fixture.send(27, "").json?["data_center"] == .string("EU"))
        }
    }

    @Test("Plans keep the shape of Zoom's release, each spelling of a status and both forms of a date")
    func shapes() async throws {
        try await Self.with { fixture in
            let objects = try #require(try await fixture.send(2, "/plans").json)
            let arrays = try #require(try await fixture.send(3, "/plans").json)
            for member in ["plan_zoom_rooms", "plan_room_connector", "plan_zwr"] {
                #expect(objects[member]?.object != nil && arrays[member]?.array != nil, "\(member)")
            }
            #expect(objects["plan_base"]?.object?["service_effective_date"]?.string?.count == 10)
            #expect(arrays["plan_base"]?.object?["service_effective_date"]?.string?.hasSuffix("T00:00:00Z") == true)
            var statuses: Set<String> = []
            for number in [1, 10, 19, 28, 37] {
                let plans = try #require(try await fixture.send(number, "/plans").json?["plan_webinar"]?.array)
                statuses.formUnion(plans.compactMap { $0.object?["status"]?.string })
            }
            #expect(statuses == ["active", "cancel", "cancelled", "expired", "Active"])
            let recording = try #require(try await fixture.send(6, "/plans").json)
            #expect(recording["plan_recording"] == .string("cmr_monthly_commitment_40"))
            #expect(recording["plan_recording_status"] == .string("Active"))
            #expect(try await fixture.send(4, "/plans").json?["plan_phone"]?.object?["plan_calling"]?.array?.count == 2)
            #expect(try await fixture.send(8, "/plans").json?["plan_base"] == nil)
            // Missing members and nulls.
            #expect(try await fixture.send(7, "/plans").json?["plan_base"]?.object?["status"] == nil)
            #expect(try await fixture.send(17, "/plans").json?["plan_united"]?.object?["status"] == .null)
        }
    }

    @Test("Unknown plans are passed on digit for digit", arguments: ["/plans", "/plans/usage"])
    func unknown(suffix: String) async throws {
        try await Self.with { fixture in
            let text = try await fixture.text(16, suffix)
            #expect(text.contains(#""unit_price":12345678901234567.89"#))
            #expect(text.contains(#""plan_tiers":[["bronze",1],["silver",2.50]],"plan_note":"no plan""#))
        }
    }

    @Test("Usage has objects and arrays as Zoom sent them, and may exceed the hosts")
    func usage() async throws {
        try await Self.with { fixture in
            let objects = try #require(try await fixture.send(2, "/plans/usage").json)
            #expect(objects["plan_zoom_rooms"]?.object?["usage"] != nil)
            #expect(objects["plan_zoom_rooms"]?.object?["pending"] == nil)
            #expect(try await fixture.send(3, "/plans/usage").json?["plan_zoom_rooms"]?.array?.isEmpty == false)
            let exceeded = try #require(try await fixture.send(9, "/plans/usage").json?["plan_base"]?.object)
            #expect(try #require(exceeded["usage"]?.integer) > #require(exceeded["hosts"]?.integer))
            let storage = try await fixture.send(6, "/plans/usage").json?["plan_recording"]?.object
            #expect(storage?["free_storage"] == .string("3 GB"))
        }
    }

    @Test("An account with thousands of plans is answered in full", arguments: ["/plans", "/plans/usage"])
    func large(suffix: String) async throws {
        try await Self.with { fixture in
            let response = try await fixture.send(62, suffix)
            #expect(response.status == 200 && response.json?["plan_webinar"]?.array?.count == 3000)
            #expect(response.body.readableBytes > 150_000)
        }
    }

    // MARK: Failures

    @Test("Failures have Zoom's status, code and message, and are cached")
    func failures() async throws {
        try await Self.with { fixture in
            // Obtains the access token.
            _ = try await fixture.send(1, "")
            let rows: [(Int, String, Int, Int, String)] = [
                (42, "/plans", 400, 2100, "This sub account is on self pay mode."),
                (42, "/plans/usage", 400, 2100, "This sub account is on self pay mode."),
                (33, "/plans/usage", 400, 200, "Only available for paid account."),
                // Zoom sends this error with the status 200.
                (34, "/plans/usage", 400, 200, "Only available for paid account."),
            ]
            for (number, suffix, status, code, message) in rows {
                let before = fixture.calls
                for _ in 0..<2 {
                    let response = try await fixture.send(number, suffix)
                    #expect(response.status == status && response.json?["code"]?.integer == code)
                    #expect(response.json?["message"] == .string(message))
                    #expect(response.fields.string(.contentType) == "application/problem+json")
                }
                #expect(fixture.calls == before + 1)
            }
            for suffix in Self.suffixes {
                let unknown = try await fixture.service.send("/v2/accounts/nobody\(suffix)")
                #expect(unknown.status == 404 && unknown.json?["code"]?.integer == 2001)
                #expect(unknown.json?["message"] == .string("Account does not exist: nobody."))
                let before = fixture.calls
                let master = try await fixture.service.send("/v2/accounts/me\(suffix)")
                #expect(master.status == 404 && master.json?["code"]?.integer == 2001)
                let malformed = try await fixture.service.send("/v2/accounts/a%20b\(suffix)")
                #expect(malformed.status == 400 && malformed.json?["code"]?.integer == 300)
                let media = try await fixture.send(1, suffix, [(.accept, "text/csv")])
                #expect(media.status == 406)
                let method = try await fixture.send(1, suffix, method: "DELETE")
                let allowed = suffix == "/plans" ? "GET, HEAD, POST" : "GET, HEAD"
                #expect(method.status == 405 && method.fields.string(.allow) == allowed)
                #expect(fixture.calls == before)
            }
        }
    }

    @Test("A free account has no plans, but details")
    func free() async throws {
        try await Self.with { fixture in
            let plans = try await fixture.text(33, "/plans")
            #expect(plans == "{}")
            #expect(try await fixture.send(33, "").status == 200)
        }
    }

    @Test(
        "Zoom's error about a free account is 400 with the code 200, also if Zoom sends it with the status 200",
        arguments: ["/plans", "/plans/usage"], [200, 400])
    func onlyForPaidAccounts(suffix: String, status: Int) async throws {
        let zoom = ScriptedHandler { request in
            guard String(decoding: request.path, as: UTF8.self) != "/oauth/token" else {
                return .now(.text(#"{"access_token":"t","expires_in":3600}"#))
            }
            return .now(.text(#"{"code":200,"message":"Only available for paid account."}"#, status: status))
        }
        try await TestZoom.with(zoom) { client in
            try await TestService.with(source: client) { service in
                let response = try await service.send("/v2/accounts/a\(suffix)")
                #expect(response.status == 400 && response.json?["code"]?.integer == 200)
                #expect(response.json?["type"] == .string("/v2/errors#free-account"))
            }
        }
    }

    @Test("Each read needs its scope", arguments: zip(suffixes, ["billing:read", "plans:read", "plans:read"]))
    func scopes(suffix: String, scope: String) async throws {
        let needed = try #require(Caller.Scope(rawValue: scope))
        let callers = FakeCallers([
            "needed": Caller(name: Name(literal: "needed"), scopes: [needed]),
            "others": Caller(
                name: Name(literal: "others"), scopes: Set(Caller.Scope.allCases).subtracting([needed])),
        ])
        let source = FakeSource { _, _ async throws(BillingFailure) in .document(SourceDocument(text: Array("{}".utf8)))
        }
        try await TestService.with(source: source, callers: callers) { service in
            let refused = try await service.send("/v2/accounts/a\(suffix)", token: "others")
            #expect(refused.status == 403 && source.calls.isEmpty)
            #expect(
                refused.fields.string(.wwwAuthenticate) == "Bearer error=\"insufficient_scope\", scope=\"\(scope)\"")
            #expect(try await service.send("/v2/accounts/a\(suffix)", token: "needed").status == 200)
        }
    }

    // MARK: Caching

    @Test(
        "A second request is a cache hit without a call to Zoom, with its Age, and conditional requests get 304",
        arguments: Transport.allCases, suffixes)
    func caching(transport: Transport, suffix: String) async throws {
        try await Self.with(over: transport) { fixture in
            let first = try await fixture.send(1, suffix)
            #expect(first.status == 200 && first.fields.string(.age) == "0")
            #expect(first.fields.string(.contentType) == "application/json")
            let calls = fixture.calls
            fixture.clock.advance(by: .seconds(17))
            let second = try await fixture.send(1, suffix)
            #expect(second.body == first.body && second.fields.string(.age) == "17")
            let etag = try #require(first.fields.string(.etag))
            let unchanged = try await fixture.send(1, suffix, [(.ifNoneMatch, etag)])
            #expect(unchanged.status == 304 && unchanged.fields.string(.etag) == etag)
            let head = try await fixture.send(1, suffix, method: "HEAD")
            #expect(head.status == 200 && head.body.readableBytes == 0 && head.fields.string(.etag) == etag)
            #expect(head.fields.string(.contentLength) == "\(first.body.readableBytes)")
            #expect(fixture.calls == calls)
            let fetched = try await fixture.send(1, suffix, [(.cacheControl, "no-cache")])
            #expect(fetched.fields.string(.age) == "0" && fixture.calls == calls + 1)
        }
    }

    @Test("The reads of one account are cached apart, and have different entity tags")
    func apart() async throws {
        try await Self.with { fixture in
            var etags: Set<String> = []
            for _ in 0..<2 {
                for suffix in Self.suffixes + ["/billing"] {
                    etags.insert(try #require(try await fixture.send(1, suffix).fields.string(.etag)))
                }
            }
            #expect(etags.count == 4)
            let counts = fixture.sandbox.requestCounts.operations
            #expect(counts.values.filter { $0 == 1 }.count >= 4)
        }
    }

    @Test("An answer of another shape replaces the cached one, with another entity tag")
    func replaced() async throws {
        let answers = Mutex([
            #"{"plan_zwr":{"type":"zwr_yearly","status":"active"}}"#,
            #"{"plan_zwr":[{"type":"zwr_yearly","status":"Active"}],"plan_new":1.50}"#,
        ])
        let zoom = ScriptedHandler { request in
            guard String(decoding: request.path, as: UTF8.self) != "/oauth/token" else {
                return .now(.text(#"{"access_token":"t","expires_in":3600}"#))
            }
            return .now(.text(answers.withLock { $0.removeFirst() }))
        }
        let clock = TestClock()
        try await TestZoom.with(zoom, time: clock) { client in
            try await TestService.with(source: client, time: clock) { service in
                let first = try await service.send("/v2/accounts/a/plans")
                clock.advance(by: .seconds(1000))
                let etag = try #require(first.fields.string(.etag))
                let second = try await service.send("/v2/accounts/a/plans", [(.ifNoneMatch, etag)])
                #expect(second.status == 200 && second.fields.string(.etag) != etag)
                #expect(
                    String(buffer: second.body)
                        == #"{"plan_zwr":[{"type":"zwr_yearly","status":"Active"}],"plan_new":1.50}"#)
                let cached = try await service.send("/v2/accounts/a/plans")
                #expect(cached.body == second.body && answers.withLock { $0.isEmpty })
            }
        }
    }
}
