import Adapters
import Domain
import DomainFakes
import NIOCore
import Synchronization
import Testing

@Suite("Changes: idempotency keys", .timeLimit(.minutes(10)))
struct WriteKeyTests {
    private let change = ChangeExample.updateBasePlan

    @Test("a key may be written as a string with quotes or without, and both are the same key")
    func quotes() async throws {
        let writer = change.writer()
        try await TestService.with(source: FakeSource(), writer: writer) { service in
            for key in ["\"a-1\"", "a-1"] {
                let answer = try await service.send(change, key: key)
                #expect(answer.status == 204)
            }
        }
        #expect(writer.sent.count == 1)
    }

    @Test("a key with another request is 422: another body, operation or account")
    func reused() async throws {
        let writer = change.writer()
        try await TestService.with(source: FakeSource(), writer: writer) { service in
            #expect(try await service.send(change).status == 204)
            let other = ChangeExample(
                operation: change.operation, method: change.method, target: "/v2/accounts/b/plans/base",
                body: change.body, plans: change.plans)
            let requests = [
                try await service.send(change, body: #"{"type":"monthly","hosts":8}"#),
                try await service.send(.updateBillingInformation), try await service.send(other),
            ]
            for response in requests {
                #expect(response.status == 422 && response.problem == "idempotency-key-reused")
                #expect(response.json?["code"]?.integer == 422)
            }
            // Equal content in another notation is the same request.
            let same = try await service.send(change, body: #"{ "hosts": 7.0, "type": "monthly" }"#)
            #expect(same.status == 204 && same.fields.string(.idempotentReplayed) == "true")
        }
        #expect(writer.sent.count == 1)
    }

    @Test("keys belong to a caller: another caller's equal key is another key")
    func callers() async throws {
        let writer = change.writer()
        let callers = FakeCallers([
            "one": Caller(name: Name(literal: "one"), scopes: [.plansWrite]),
            "two": Caller(name: Name(literal: "two"), scopes: [.plansWrite]),
        ])
        try await TestService.with(source: FakeSource(), writer: writer, callers: callers) { service in
            for token in ["one", "two"] {
                let response = try await service.send(change, token: token)
                #expect(response.status == 204 && response.fields.string(.idempotentReplayed) == nil)
            }
        }
        #expect(writer.sent.count == 2)
    }

    @Test("without writes.require-key a change needs no key")
    func optional() async throws {
        let writer = change.writer()
        var rules = WriteAccount.Rules()
        rules.requiresKey = false
        try await TestService.with(source: FakeSource(), writer: writer, writeRules: rules) { service in
            for _ in 0..<2 {
                let response = try await service.send(change, key: nil)
                #expect(response.status == 204)
            }
        }
        #expect(writer.sent.count == 2)
    }

    @Test("while a change runs, its repetition is 409, and so is another change of the account after the queue timeout")
    func running() async throws {
        let (started, ends) = (Signal(), Signal())
        let writer = change.writer { _, _ in
            started.fire()
            try? await ends.wait()
            return WriteReport(.answered(.done(nil)))
        }
        try await TestService.with(source: FakeSource(), writer: writer) { service in
            let first = Task { try await service.send(change) }
            try await started.wait()
            let repetition = try await service.send(change)
            #expect(repetition.status == 409 && repetition.problem == "idempotency-key-in-use")
            #expect(repetition.fields.string(.retryAfter) == "1")
            let state = try await service.send("/v2/billing/idempotency-keys/key-1")
            #expect(state.json?["state"] == .string("running"))
            let removal = try await service.send("/v2/billing/idempotency-keys/key-1", method: "DELETE")
            #expect(removal.status == 409 && removal.problem == "idempotency-key-in-use")
            let other = try await service.send(change, key: "key-2", [(.prefer, "wait=0")])
            #expect(other.status == 409 && other.problem == "account-busy")
            #expect(other.fields.string(.retryAfter) == "1")
            ends.fire()
            #expect(try await first.joined.status == 204)
            #expect(try await service.send(change).fields.string(.idempotentReplayed) == "true")
        }
        #expect(writer.sent.count == 1)
    }

    @Test("a key shows its state, and after its removal the change is sent again", arguments: Transport.allCases)
    func resource(transport: Transport) async throws {
        let writer = change.writer { _, attempt in WriteReport(attempt == 0 ? .unknown : .answered(.done(nil))) }
        let key = "a/b?c%d#1"
        let path = "/v2/billing/idempotency-keys/a%2Fb%3Fc%25d%231"
        try await TestService.with(source: FakeSource(), writer: writer, over: transport) { service in
            #expect(try await service.send(path).problem == "idempotency-key-not-found")
            #expect(try await service.send(change, key: key).status == 504)
            let unknown = try await service.send(path)
            #expect(unknown.status == 200 && unknown.fields.string(.cacheControl) == "private, no-store")
            let json = try #require(unknown.json)
            #expect(
                json.members.map(\.name) == ["key", "state", "operation", "account_id", "recorded_at", "look_at"])
            #expect(json["key"] == .string(key) && json["state"] == .string("unknown"))
            #expect(json["operation"] == .string("Update a base plan") && json["account_id"] == .string("a"))
            #expect(json["look_at"] == .string("/v2/accounts/a/plans"))
            let removal = try await service.send(path, method: "DELETE")
            #expect(removal.status == 204 && removal.body.readableBytes == 0)
            #expect(try await service.send(path, method: "DELETE").status == 404)
            #expect(try await service.send(change, key: key).status == 204)
            #expect(try await service.send(path).json?["state"] == .string("finished"))
            #expect(try await service.send(path, method: "HEAD").status == 200)
        }
        #expect(writer.sent.count == 2)
    }

    @Test("an unknown outcome that a read proves becomes the answer of the key")
    func proved() async throws {
        let change = ChangeExample.updateBillingInformation
        let city = Mutex("Springfield")
        let source = FakeSource { _, _ async throws(BillingFailure) in
            let city = city.withLock { $0 }
            return .contact(BillingContact(reading: { $0 == .city ? city : "\($0)" }))
        }
        let writer = change.writer { _, _ in WriteReport(.unknown) }
        try await TestService.with(source: source, writer: writer) { service in
            for _ in 0..<2 { #expect(try await service.send(change).status == 504) }
            city.withLock { $0 = "Oakland" }
            for _ in 0..<2 {
                let response = try await service.send(change)
                #expect(response.status == 204 && response.fields.string(.idempotentReplayed) == "true")
            }
            #expect(try await service.send("/v2/billing/idempotency-keys/key-1").json?["state"] == .string("finished"))
        }
        #expect(writer.sent.count == 1)
    }

    @Test(
        "a request for a key is refused without a scope for changes, with parameters, and for what is no key",
        arguments: [
            ("key-1", TestService.readerToken, 403), ("key-1?x=1", TestService.token, 400),
            ("a%20b", TestService.token, 400), ("%zz", TestService.token, 400), ("%C3%A4", TestService.token, 400),
            (String(repeating: "x", count: 256), TestService.token, 400), ("", TestService.token, 404),
        ])
    func refused(key: String, token: String, status: Int) async throws {
        try await TestService.with(source: FakeSource()) { service in
            for method in ["GET", "DELETE"] {
                let response = try await service.send(
                    "/v2/billing/idempotency-keys/\(key)", method: method, token: token)
                #expect(response.status == status)
            }
        }
    }

    @Test("a store that fails before a change is sent is 503, and nothing is sent")
    func storeFails() async throws {
        for call in [FakeIdempotencyStore.Call.claim, .willSend] {
            let (writer, keys) = (change.writer(), FakeIdempotencyStore())
            keys.fail([call])
            try await TestService.with(source: FakeSource(), writer: writer, keys: keys) { service in
                let response = try await service.send(change)
                #expect(response.status == 503 && response.problem == "state-unavailable")
            }
            #expect(writer.sent.isEmpty)
        }
    }
}
