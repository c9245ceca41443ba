import Adapters
import Domain
import DomainFakes
import Logging
import NIOCore
import Synchronization
import Testing

@Suite("Changes: preconditions, dry runs and departures", .timeLimit(.minutes(10)))
struct WriteConditionTests {
    private let change = ChangeExample.updateBillingInformation

    /// A source whose contact's last name can be changed.
    private final class Contact: Sendable {
        let lastName = Mutex("before")

        var source: FakeSource {
            FakeSource { [self] account, _ async throws(BillingFailure) in
                let name = lastName.withLock { $0 }
                return .contact(BillingContact(reading: { $0 == .lastName ? name : "\($0)" }))
            }
        }
    }

    @Test("a change with the ETag of the present state is sent, and one with an older ETag is 412 and is not")
    func ifMatch() async throws {
        let (contact, writer) = (Contact(), change.writer())
        try await TestService.with(source: contact.source, writer: writer) { service in
            let etag = try #require(try await service.send("/v2/accounts/a/billing").fields.string(.etag))
            var number = 0
            func send(_ field: FieldName, _ value: String) async throws -> ClientResponse {
                number += 1
                return try await service.send(change, key: "key-\(number)", [(field, value)])
            }
            for value in [etag, "\"other\", \(etag)", "*", "W/\"x\", \(etag)"] {
                #expect(try await send(.ifMatch, value).status == 204)
            }
            #expect(writer.sent.count == 4)
            for value in ["W/\(etag)", "\"other\"", "\"*\""] {
                let response = try await send(.ifMatch, value)
                #expect(response.status == 412 && response.problem == "precondition-failed")
            }
            // The cached answer is still the older one.
            contact.lastName.withLock { $0 = "after" }
            #expect(try await send(.ifMatch, etag).status == 412)
            #expect(writer.sent.count == 4)
            let fresh = try await service.send("/v2/accounts/a/billing")
            #expect(fresh.fields.string(.etag) != etag)
            // The key was released, so it may be used with the present state.
            number -= 1
            #expect(try await send(.ifMatch, try #require(fresh.fields.string(.etag))).status == 204)
        }
    }

    @Test("If-Unmodified-Since is met by the date of the present state, and ignored beside If-Match")
    func ifUnmodifiedSince() async throws {
        let writer = change.writer()
        try await TestService.with(source: Contact().source, writer: writer) { service in
            let read = try await service.send("/v2/accounts/a/billing")
            let (etag, date) = (
                try #require(read.fields.string(.etag)), try #require(read.fields.string(.lastModified))
            )
            let old = "Sun, 06 Nov 1994 08:49:37 GMT"
            #expect(try await service.send(change, key: "1", [(.ifUnmodifiedSince, date)]).status == 204)
            #expect(try await service.send(change, key: "2", [(.ifUnmodifiedSince, old)]).status == 412)
            let both = try await service.send(change, key: "3", [(.ifUnmodifiedSince, old), (.ifMatch, etag)])
            #expect(both.status == 204)
        }
    }

    @Test(
        "with writes.require-if-match a change of the contact without a precondition is 428, and other changes need none"
    )
    func required() async throws {
        var rules = WriteAccount.Rules()
        rules.requiresPrecondition = true
        let plan = ChangeExample.updateBasePlan
        let writer = plan.writer()
        try await TestService.with(source: FakeSource(), writer: writer, writeRules: rules) { service in
            let response = try await service.send(change)
            #expect(response.status == 428 && response.problem == "precondition-required")
            #expect(try await service.send(change, [(.ifMatch, "*")]).status == 204)
            #expect(try await service.send(plan, key: "key-2").status == 204)
        }
        #expect(writer.sent.count == 2)
    }

    @Test("a dry run says what would be sent, sends nothing and uses no key", arguments: ChangeExample.all)
    func dryRun(change: ChangeExample) async throws {
        let (writer, keys) = (change.writer(), FakeIdempotencyStore())
        try await TestService.with(source: FakeSource(), writer: writer, keys: keys) { service in
            for key in [nil, "key-1", "not a key"] {
                let response = try await service.send(change, key: key, query: "?dry_run=true")
                #expect(response.status == 200 && response.fields.string(.cacheControl) == "private, no-store")
                let json = try #require(response.json)
                #expect(json.members.map(\.name) == ["dry_run", "operation", "method", "path", "body", "changes"])
                #expect(json["dry_run"] == .bool(true) && json["operation"] == .string(change.operation.title))
                #expect(json["method"] == .string(change.method) && json["path"] == .string(change.target))
                #expect(json["body"]?.object != nil && json["changes"]?.array != nil)
            }
            let refused = try await service.send(
                change, key: nil, query: "?dry_run=true", [(.ifMatch, "\"other\"")])
            #expect(refused.status == 412)
        }
        #expect(writer.sent.isEmpty && keys.calls.isEmpty && writer.checkCount == 3)
    }

    @Test("a caller with plans:dry-run makes dry runs of plans, and no changes and no dry runs of contacts")
    func dryRunScope() async throws {
        let plan = ChangeExample.updateBasePlan
        let writer = plan.writer()
        let callers = FakeCallers([
            TestService.token: Caller(name: Name(literal: "dry-runner"), scopes: [.plansDryRun])
        ])
        try await TestService.with(source: FakeSource(), writer: writer, callers: callers) { service in
            for (change, query, status) in [(plan, "true", 200), (plan, "false", 403), (change, "true", 403)] {
                let answer = try await service.send(change, query: "?dry_run=\(query)")
                #expect(answer.status == status)
            }
        }
        #expect(writer.sent.isEmpty)
    }

    @Test("a change whose caller goes away before it is sent is not sent, and its key is free")
    func goneBefore() async throws {
        let reading = Event<Void>()
        let source = FakeSource { _, _ async throws(BillingFailure) in
            reading.fire()
            await untilCancelled()
            throw .cancelled
        }
        let (writer, keys, lines) = (change.writer(), FakeIdempotencyStore(), Event<String>())
        let audit = Logger(label: "audit") { _ in LineLogHandler { lines.fire($0) } }
        try await TestService.with(source: source, writer: writer, keys: keys, audit: audit) { service in
            let request = Task { try await service.send(change, [(.ifMatch, "*")]) }
            try await reading.next()
            request.cancel()
            let line = try await lines.next()
            #expect(line.contains("outcome=not-sent") && line.contains("key=key-1"))
        }
        #expect(writer.sent.isEmpty && keys.calls == [.claim, .release])
    }

    @Test("a change whose caller goes away after it was sent is finished, recorded and audited")
    func goneAfter() async throws {
        let (started, ends, lines) = (Signal(), Signal(), Event<String>())
        let writer = change.writer { _, _ in
            started.fire()
            try? await ends.wait()
            return WriteReport(.answered(.done(nil)), trackingID: "trace-9")
        }
        let audit = Logger(label: "audit") { _ in LineLogHandler { lines.fire($0) } }
        try await TestService.with(source: FakeSource(), writer: writer, audit: audit) { service in
            let request = Task { try await service.send(change) }
            try await started.wait()
            request.cancel()
            _ = await request.result
            ends.fire()
            let line = try await lines.next()
            #expect(line.contains("outcome=done") && line.contains("zoom_tracking_id=trace-9"))
            let repetition = try await service.send(change)
            #expect(repetition.status == 204 && repetition.fields.string(.idempotentReplayed) == "true")
        }
        #expect(writer.sent.count == 1)
    }
}
