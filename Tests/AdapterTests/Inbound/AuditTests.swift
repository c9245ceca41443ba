import Adapters
import Domain
import DomainFakes
import Logging
import Testing

@Suite("Audit log", .timeLimit(.minutes(10)))
struct AuditTests {
    private static let accounts = ["a", "b", "c"].map { AccountID(literal: $0) }

    private static func with(
        _ source: FakeSource, callers: FakeCallers? = nil,
        _ test: (TestService, Event<String>) async throws -> Void
    ) async throws {
        let lines = Event<String>()
        // Audit lines are written even at the highest log level.
        let audit = Logger(label: "audit") { _ in
            var handler = LineLogHandler { lines.fire($0) }
            handler.logLevel = .critical
            return handler
        }
        try await TestService.with(source: source, callers: callers, audit: audit) { service in
            try await test(service, lines)
        }
    }

    private static func line(
        _ outcome: String, caller: String = "everything", code: String? = nil, contacts: Int = 0, failures: Int = 0
    ) -> String {
        "export caller=\(caller)\(code.map { " code=\($0)" } ?? "") contacts=\(contacts) failures=\(failures) master=only "
            + "outcome=\(outcome) request_id=job-1"
    }

    private static let fields = [(FieldName.requestID, "job-1")]

    @Test("a complete export has a line with counts and no personal data")
    func complete() async throws {
        let source = FakeSource(listed: Self.accounts) { account, _ async throws(BillingFailure) in
            if account.rawValue == "b" { throw .selfPay }
            return .contact(.sample(account))
        }
        try await Self.with(source) { service, lines in
            _ = try await service.send("/v2/billing/stream", Self.fields)
            #expect(try await lines.next() == Self.line("complete", contacts: 2, failures: 1))
        }
    }

    @Test("a refused export has a line")
    func refused() async throws {
        try await Self.with(FakeSource()) { service, lines in
            _ = try await service.send(
                "/v2/billing/stream", token: TestService.readerToken, Self.fields)
            #expect(try await lines.next() == Self.line("refused", caller: "reader", code: "4711"))
            for target in ["/v2/billing/stream?only=x", "/v2/billing/stream?after="] {
                _ = try await service.send(target, Self.fields)
                #expect(try await lines.next() == Self.line("refused", code: "300"))
            }
            _ = try await service.send("/v2/billing/stream", Self.fields + [(.accept, "text/csv")])
            #expect(try await lines.next() == Self.line("refused", code: "406"))
            // Lookups and requests of unknown callers have no line.
            _ = try await service.send("/v2/accounts/a/billing", Self.fields)
            _ = try await service.send("/v2/billing/stream", token: "wrong", Self.fields)
            _ = try await service.send("/v2/billing/stream", Self.fields)
            #expect(try await lines.next() == Self.line("complete"))
        }
    }

    @Test("a failed export has a line")
    func failed() async throws {
        let source = FakeSource(listed: Self.accounts) { account, _ async throws(BillingFailure) in
            if account.rawValue == "b" { throw .credentialsRefused }
            return .contact(.sample(account))
        }
        try await Self.with(source) { service, lines in
            _ = try? await service.send("/v2/billing/stream", Self.fields)
            let line = try await lines.next()
            #expect(line.contains("code=4700") && line.contains("outcome=failed request_id=job-1"))
        }
    }

    @Test("an export whose reader disconnects has a line")
    func cancelled() async throws {
        let started = Event<Void>()
        let source = FakeSource(listed: Self.accounts) { account, _ async throws(BillingFailure) in
            started.fire()
            await untilCancelled()
            throw .cancelled
        }
        try await Self.with(source) { service, lines in
            let reading = Task { try await service.send("/v2/billing/stream", Self.fields) }
            for _ in Self.accounts { try await started.next() }
            reading.cancel()
            #expect(try await lines.next() == Self.line("cancelled", code: "503"))
        }
    }

    @Test("an export ends at once with a line when its caller's right is revoked, and other exports continue")
    func revoked() async throws {
        let (first, second) = (CallerToken.make(), CallerToken.make())
        // Separate accounts, so that the exports do not share one lookup.
        func caller(_ name: String, _ account: String, _ scopes: Set<Caller.Scope> = [.billingExport]) -> Caller {
            Caller(name: Name(literal: name), scopes: scopes, accounts: [AccountID(literal: account)])
        }
        let callers = FakeCallers([first: caller("first", "a"), second: caller("second", "b")])
        let started = Event<Void>()
        let (releases, release) = AsyncStream<Void>.makeStream()
        let source = FakeSource(listed: [AccountID(literal: "a")]) { account, _ async throws(BillingFailure) in
            started.fire()
            for await _ in releases { break }
            if Task.isCancelled { throw .cancelled }
            return .contact(.sample(account))
        }
        try await Self.with(source, callers: callers) { service, lines in
            let streams = [first, second].map { token in
                Task { try await service.send("/v2/billing/stream", token: token, Self.fields) }
            }
            for _ in streams { try await started.next() }
            // A change of other scopes does not end the export.
            callers.set(first, to: caller("first", "a", [.billingExport, .billingRead]))
            callers.set(first, to: nil)
            #expect(try await lines.next() == Self.line("revoked", caller: "first", code: "124"))
            await #expect(throws: HTTPFailure.self) { try await streams[0].joined }
            release.yield()
            release.yield()
            let whole = try await streams[1].joined
            #expect(whole.lines.last?["type"] == .string("end"))
            #expect(try await lines.next() == Self.line("complete", caller: "second", contacts: 1))
        }
    }
}
