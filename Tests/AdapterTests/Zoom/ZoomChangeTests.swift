import Adapters
import Domain
import DomainFakes
import NIOCore
import Synchronization
import Testing

@Suite("Zoom client: changes of accounts", .timeLimit(.minutes(10)))
struct ZoomChangeTests {
    private static let account = AccountID(literal: "a1")
    private static let purpose = Purpose.write(for: nil, queueTimeout: .seconds(2))

    private static func change(
        _ operation: Operation = .updateBillingInformation, _ body: String = #"{"city":"Oakland"}"#
    ) throws -> AccountWrite {
        try AccountWrite.make(
            operation, of: account, from: InputValue(JSONValue(parsing: Array(body.utf8))), rules: WriteRules())
    }

    private static func error(_ code: Int, _ message: String, status: Int = 400) -> HTTPResponse {
        .text(#"{"code":\#(code),"message":"\#(message)"}"#, status: status)
    }

    private static func send(
        _ zoom: RecordingZoom, _ operation: Operation = .updateBillingInformation,
        _ body: String = #"{"city":"Oakland"}"#
    ) async throws -> WriteReport {
        let change = try change(operation, body)
        let report = Mutex<WriteReport?>(nil)
        try await zoom.with { client in
            let sent = await client.send(change, under: nil, for: purpose) {}
            report.withLock { $0 = sent }
        }
        return try #require(report.withLock { $0 })
    }

    @Test("A change is sent with its body, and its answer and tracking id are reported")
    func sent() async throws {
        let zoom = RecordingZoom { _ in
            var response = HTTPResponse.text(#"{"plan_base":{"type":"business_yearly","hosts":12}}"#, status: 201)
            response.fields.append(FieldName("x-zm-trackingid"), "v=2.0;clid=aw1;rid=WEB_1")
            return response
        }
        let report = try await Self.send(
            zoom, .updateBasePlan, #"{"hosts":12,"type":"business_yearly"}"#)
        let document = SourceDocument(text: Array(#"{"plan_base":{"type":"business_yearly","hosts":12}}"#.utf8))
        #expect(report == WriteReport(.answered(.done(document)), trackingID: "v=2.0;clid=aw1;rid=WEB_1"))
        let request = try #require(zoom.requests.first)
        #expect(request.hasPrefix("PUT /v2/accounts/a1/plans/base application/json 37 {"))
        #expect(zoom.requests.count == 1)
    }

    @Test("Every documented success is a success", arguments: [200, 201, 204])
    func success(status: Int) async throws {
        for body in status == 204 ? [""] : ["", "{}", "OK"] {
            let report = try await Self.send(RecordingZoom { _ in .text(body, status: status) })
            #expect(report.result == .answered(.done(nil)), "\(body)")
        }
    }

    @Test(
        "An answer that does not prove that nothing happened leaves the outcome unknown, and the change is sent once",
        arguments: [
            .text("", status: 500), .text("<html></html>", status: 502), .text("", status: 503), .text("", status: 504),
            ZoomChangeTests.error(2100, "Invalid plan type.", status: 500),
            ZoomChangeTests.error(429, "Too Many Requests", status: 500),
            .text("<html>Sign in</html>", status: 200), nil,
        ] as [HTTPResponse?])
    func unknown(answer: HTTPResponse?) async throws {
        let zoom = RecordingZoom { _ in answer }
        #expect(try await Self.send(zoom).result == .unknown)
        #expect(zoom.requests.count == 1)
    }

    @Test(
        "A refusal before the change was processed is no outcome: it may be sent later",
        arguments: [
            (ZoomChangeTests.error(4711, "Invalid access token, does not contain scopes:[a, b]."), 1),
            (.text("", status: 404), 1), (.text("", status: 413), 1), (.text("", status: 302), 1),
            (ZoomChangeTests.error(124, "Invalid access token.", status: 200), 1),
        ] as [(HTTPResponse, Int)])
    func notProcessed(answer: HTTPResponse, count: Int) async throws {
        let zoom = RecordingZoom { _ in answer }
        let report = try await Self.send(zoom)
        guard case .notSent = report.result else {
            Issue.record("\(report.result)")
            return
        }
        #expect(zoom.requests.count == count)
    }

    @Test("A rate limit and a refused access token were not processed, so the change is sent again")
    func again() async throws {
        for first in [HTTPResponse.text("", status: 429), Self.error(124, "Invalid access token.", status: 401)] {
            let zoom = RecordingZoom { number in number == 0 ? first : HTTPResponse(status: 204) }
            #expect(try await Self.send(zoom).result == .answered(.done(nil)))
            #expect(zoom.requests.count == 2)
        }
    }

    @Test("A change that must not be sent does not leave, though it has a permit and a token")
    func stopped() async throws {
        let zoom = RecordingZoom { _ in HTTPResponse(status: 204) }
        let change = try Self.change()
        try await zoom.with { client in
            let report = await client.send(change, under: nil, for: Self.purpose) {
                () async throws(BillingFailure) in throw .stateUnavailable
            }
            #expect(report.result == .notSent(.stateUnavailable))
        }
        #expect(zoom.requests.isEmpty && zoom.tokens == 1)
    }

    @Test("A Zoom that cannot be reached has not received the change")
    func unreachable() async throws {
        let zoom = RecordingZoom { _ in HTTPResponse(status: 204) }
        let change = try Self.change()
        try await withServer(zoom.handler) { server in
            let known = ZoomMasters.Master.test(server)
            let master = ZoomMasters.Master(
                name: known.name, accountID: known.accountID,
                // Nothing listens at this port.
                api: .init(origin: Origin(scheme: .http, host: "127.0.0.1", port: 1), path: "/v2"), oauth: known.oauth,
                rates: known.rates)
            try await TestZoom.with(
                server, [master], FakeCredentials([.test()]), retryTime: .zero, time: AutoAdvancingClock()
            ) { client in
                let report = await client.send(change, under: nil, for: Self.purpose, willSend: {})
                #expect(report.result == .notSent(.sourceFailed))
            }
        }
        #expect(zoom.tokens == 1)
    }

    // MARK: Refusals

    @Test(
        "Zoom's refusals are translated by code, operation and text, with apostrophes folded",
        arguments: [
            (.updateBillingInformation, 2100, "This sub account is on self pay mode.", .selfPay, nil),
            (.cancelBasePlan, 2100, "This sub account is paid by self.", .selfPay, nil),
            (.subscribePlans, 2100, "Cannot add plan for a sub account which is paid by self.", .selfPay, nil),
            (
                .cancelBasePlan, 2001, "This account does not exist or does not belong to this master account.",
                .accountNotFound,
                "Account does not exist: a1."
            ),
            (.updateBasePlan, 1001, "User does not exist.", .accountNotFound, "Account does not exist: a1."),
            (
                .updateAdditionalPlan, 3200, "Cannot find Zuora subscription for account:a1.", .notFound,
                "Cannot find Zuora subscription for account:a1."
            ),
            (
                .cancelBasePlan, 200, "You don\u{2019}t have a major subscription yet.", .refused,
                "You don't have a major subscription yet."
            ),
            (
                .cancelAdditionalPlans, 200, "You don't have a plan subscription for (webinar500_monthly) yet..",
                .refused,
                "You don't have a plan subscription for (webinar500_monthly) yet."
            ),
            (
                .updateBasePlan, 300, "Plan types do not match, oldPlanType: monthly newPlanType: edu20.", .refused,
                "Plan types do not match, oldPlanType: monthly newPlanType: edu20."
            ),
            (.updateBillingInformation, 2100, "Invalid state parameter: ZZ.", .refused, "Invalid state parameter: ZZ."),
            (
                .updateAdditionalPlan, 3261, "Must subscribe to a major plan first.", .refused,
                "Must subscribe to a major plan first."
            ),
        ] as [(Operation, Int, String, SourceRefusal.Kind, String?)])
    func refusals(
        operation: Operation, code: Int, text: String, kind: SourceRefusal.Kind, message: String?
    ) async throws {
        for status in code >= 1000 ? [200, 400, 404] : [200, 400] {
            let answer = Self.error(code, text, status: status)
            let bodies: [Operation: String] = [
                .subscribePlans: #"{"plan_base":{"type":"business_yearly","hosts":12}}"#,
                .updateBasePlan: #"{"type":"business_yearly","hosts":12}"#,
                .updateAdditionalPlan: #"{"type":"webinar500_monthly","hosts":2}"#,
                .cancelAdditionalPlans: #"{"action":"cancel","type":"webinar500_monthly"}"#,
                .cancelBasePlan: #"{"action":"cancel"}"#,
            ]
            let zoom = RecordingZoom { _ in answer }
            let report = try await Self.send(zoom, operation, bodies[operation] ?? #"{"city":"Oakland"}"#)
            guard case .answered(.refused(let refusal)) = report.result else {
                Issue.record("\(status): \(report.result)")
                continue
            }
            #expect(refusal.kind == kind, "\(status)")
            if let message { #expect(refusal.message == message, "\(status)") }
            #expect(zoom.requests.count == 1)
        }
    }

    @Test("A text that Zoom does not document is not passed on, nor one with another tenant's data in place of a value")
    func undocumented() async throws {
        for text in [
            "Contact jane@example.com about account 77.", "Invalid state parameter: jane@example.com.",
            "You should first cancel all additional subscriptions. Ask jane@example.com.",
        ] {
            let report = try await Self.send(RecordingZoom { _ in Self.error(2100, text) })
            guard case .answered(.refused(let refusal)) = report.result else {
                Issue.record("\(report.result)")
                continue
            }
            #expect(!refusal.message.contains("jane") && refusal.code == 2100)
        }
    }
}
