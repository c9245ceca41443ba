import Adapters
import Domain
import DomainFakes
import NIOCore
import Testing

@Suite("Changes: answers", .timeLimit(.minutes(10)))
struct WriteAnswerTests {
    @Test(
        "a change is sent once, and its repetition gets the same answer with idempotent-replayed",
        arguments: Transport.allCases, ChangeExample.all)
    func success(transport: Transport, change: ChangeExample) async throws {
        let writer = change.writer()
        try await TestService.with(source: FakeSource(), writer: writer, over: transport) { service in
            for isReplayed in [false, true, true] {
                let response = try await service.send(change)
                #expect(response.status == change.status)
                #expect(String(buffer: response.body) == (change.status == 201 ? "{}" : ""))
                #expect(response.fields.string(.cacheControl) == "private, no-store")
                #expect(response.fields.string(.idempotentReplayed) == (isReplayed ? "true" : nil))
                #expect(response.fields.string(.contentType) == (change.status == 201 ? "application/json" : nil))
                #expect(response.fields[.requestID] != nil)
            }
        }
        #expect(writer.sent.map(\.operation) == [change.operation])
        #expect(writer.sent.map(\.account.rawValue) == ["a"])
    }

    @Test("a purchase is answered with Zoom's object, now and later")
    func document() async throws {
        let text = #"{"plan_base":{"type":"monthly","hosts":5,"discount_rate":0.10}}"#
        let change = ChangeExample.subscribePlans
        let writer = change.writer { _, _ in
            WriteReport(.answered(.done(SourceDocument(text: Array(text.utf8)))))
        }
        try await TestService.with(source: FakeSource(), writer: writer) { service in
            for _ in 0..<2 {
                let response = try await service.send(change)
                #expect(response.status == 201 && String(buffer: response.body) == text)
            }
        }
    }

    struct Failing: CustomTestStringConvertible, Sendable {
        let result: WriteReport.Result
        let status: Int
        let code: Int
        let problem: String
        var testDescription: String { "\(status) \(problem)" }
    }

    private static func refused(_ kind: SourceRefusal.Kind, _ code: Int) -> WriteReport.Result {
        .answered(.refused(SourceRefusal(kind: kind, code: code, message: "Invalid host number.")))
    }

    private static let failures = [
        Failing(result: refused(.refused, 2100), status: 400, code: 2100, problem: "zoom-refused"),
        Failing(result: refused(.refused, 200), status: 400, code: 200, problem: "zoom-refused"),
        Failing(result: refused(.selfPay, 2100), status: 400, code: 2100, problem: "self-pay"),
        Failing(result: refused(.accountNotFound, 2001), status: 404, code: 2001, problem: "account-not-found"),
        Failing(result: refused(.notFound, 3200), status: 404, code: 3200, problem: "zoom-not-found"),
        Failing(result: .unknown, status: 504, code: 504, problem: "outcome-unknown"),
        Failing(
            result: .notSent(.rateLimited(retryAfter: .seconds(3))), status: 429, code: 429, problem: "rate-limit"),
        Failing(
            result: .notSent(.dailyQuotaSpent(retryAfter: .seconds(3))), status: 429, code: 429,
            problem: "daily-rate-limit"),
        Failing(result: .notSent(.credentialsRefused), status: 502, code: 4700, problem: "zoom-credentials"),
        Failing(
            result: .notSent(.permissionMissing(anyOf: ["a:b"])), status: 502, code: 4711, problem: "zoom-permission"),
        Failing(result: .notSent(.sourceFailed), status: 502, code: 502, problem: "zoom-failed"),
        Failing(
            result: .notSent(.sourceUnavailable(retryAfter: .seconds(3))), status: 503, code: 503,
            problem: "zoom-unavailable"),
        Failing(result: .notSent(.timedOut), status: 504, code: 504, problem: "zoom-timed-out"),
    ]

    @Test("every failure of a change is a problem details object", arguments: Transport.allCases, failures)
    func failure(transport: Transport, row: Failing) async throws {
        let change = ChangeExample.updateBasePlan
        let writer = change.writer { _, _ in WriteReport(row.result) }
        try await TestService.with(source: FakeSource(), writer: writer, over: transport) { service in
            let response = try await service.send(change)
            #expect(response.status == row.status && response.problem == row.problem)
            #expect(response.json?["code"]?.integer == row.code)
            #expect(response.fields.string(.idempotentReplayed) == nil)
            #expect(response.fields.string(.retryAfter) == ([429, 503].contains(row.status) ? "3" : nil))
        }
    }

    @Test("a change with an unknown outcome names the read that shows it, and is not sent again with its key")
    func unknown() async throws {
        for change in [ChangeExample.updateBillingInformation, .cancelBasePlan] {
            let writer = change.writer { _, _ in WriteReport(.unknown) }
            try await TestService.with(source: FakeSource(), writer: writer) { service in
                for _ in 0..<3 {
                    let response = try await service.send(change)
                    #expect(response.status == 504 && response.problem == "outcome-unknown")
                    #expect(response.json?["outcome"] == .string("unknown"))
                    let path = change.operation == .updateBillingInformation ? "billing" : "plans"
                    #expect(response.json?["look_at"] == .string("/v2/accounts/a/\(path)"))
                }
            }
            #expect(writer.sent.count == 1)
        }
    }

    @Test("a change that was not sent may be sent with the same key, and a refusal is repeated without sending")
    func keyAfterFailure() async throws {
        let change = ChangeExample.updateBasePlan
        let released = change.writer { _, attempt in
            WriteReport(attempt == 0 ? .notSent(.sourceFailed) : .answered(.done(nil)))
        }
        try await TestService.with(source: FakeSource(), writer: released) { service in
            for status in [502, 204, 204] {
                let response = try await service.send(change)
                #expect(response.status == status)
            }
        }
        #expect(released.sent.count == 2)
        let refused = change.writer { _, _ in WriteReport(Self.refused(.refused, 2100)) }
        try await TestService.with(source: FakeSource(), writer: refused) { service in
            for replayed in [nil, "true"] as [String?] {
                let response = try await service.send(change)
                #expect(response.status == 400 && response.problem == "zoom-refused")
                #expect(response.fields.string(.idempotentReplayed) == replayed)
            }
        }
        #expect(refused.sent.count == 1)
    }

    @Test("Prefer: handling=strict is answered with Preference-Applied, and wait shortens the time in the queue")
    func prefer() async throws {
        let change = ChangeExample.updateBasePlan
        let writer = change.writer()
        try await TestService.with(source: FakeSource(), writer: writer) { service in
            let plain = try await service.send(change, key: "1")
            #expect(plain.fields.string(.preferenceApplied) == nil)
            let strict = try await service.send(change, key: "2", [(.prefer, "handling=strict, wait=1")])
            #expect(strict.fields.string(.preferenceApplied) == "handling=strict")
            let long = try await service.send(change, key: "3", [(.prefer, "handling=lenient, wait=60")])
            #expect(long.fields.string(.preferenceApplied) == nil)
            let invalid = try await service.send(change, body: "[]", [(.prefer, "Handling=Strict")])
            #expect(invalid.status == 400 && invalid.fields.string(.preferenceApplied) == "handling=strict")
        }
        let caller = Caller.everything.name
        #expect(
            writer.purposes == [2, 1, 2].map { Purpose.write(for: caller, queueTimeout: .seconds($0)) })
    }
}
