import Domain
import DomainFakes
import Testing

@Suite("Cache refresh", .timeLimit(.minutes(10)))
struct RefreshAccountsTests {
    private let clock = TestClock()
    private let accounts = (0..<30).map { AccountID(literal: "account-\($0)") }

    private func with(
        _ source: FakeSource, _ test: (RefreshAccounts, BillingCache) async throws -> Void
    ) async throws {
        var rules = CacheRules()
        rules.ttl = .seconds(2000)
        rules.jitter = 0
        let cache = BillingCache(source: source, time: clock, rules: rules, codec: FakeCodec())
        let refresh = RefreshAccounts(
            lists: AccountListCache(directory: source, time: clock), cache: cache, source: source, time: clock,
            interval: .seconds(1000))
        let running = Task { await refresh.run { [nil] } }
        try await test(refresh, cache)
        running.cancel()
        await running.joined
    }

    @Test("The cache refresh looks up every account once per interval, except those looked up by others")
    func rounds() async throws {
        let source = FakeSource(listed: accounts)
        try await with(source) { refresh, cache in
            try await clock.sleepers(1)
            #expect(source.calls.count == 30)
            #expect(refresh.progress.done == 30 && refresh.progress.accounts == 30 && refresh.progress.rounds == 1)
            clock.advance(by: .seconds(900))
            _ = try await cache.entry(
                for: .billingInformation(of: accounts[3]), under: nil, for: .interactive, directives: .none)
            var directives = CacheDirectives()
            directives.maxAge = .zero
            _ = try await cache.entry(
                for: .billingInformation(of: accounts[4]), under: nil, for: .interactive, directives: directives)
            #expect(source.calls.count == 31)
            clock.advance(by: .seconds(100))
            try await clock.sleepers(1)
            #expect(refresh.progress.rounds == 2 && refresh.progress.done == 30)
            // All but the account that was looked up a moment ago.
            #expect(source.calls.count == 31 + 29)
        }
    }

    @Test("The cache refresh pauses while other requests wait for permits")
    func yields() async throws {
        let source = FakeSource(listed: accounts)
        source.setHasQueuedRequests(true)
        try await with(source) { refresh, _ in
            for _ in 0..<5 {
                try await clock.sleepers(1)
                #expect(source.calls.isEmpty && refresh.progress.accounts == 30)
                clock.advance(by: .milliseconds(100))
            }
            try await clock.sleepers(1)
            source.setHasQueuedRequests(false)
            clock.advance(by: .milliseconds(100))
            try await clock.sleepers(1)
            #expect(refresh.progress.done == 30)
        }
    }

    @Test("The cache refresh retries temporary failures, and looks up other accounts meanwhile")
    func repeats() async throws {
        let source = FakeSource(listed: accounts) { account, attempt async throws(BillingFailure) in
            if account.rawValue.hasSuffix("7"), attempt < 3 { throw .sourceFailed }
            return .contact(.sample(account))
        }
        try await with(source) { refresh, _ in
            try await clock.sleepers(1)
            #expect(source.calls.count == 30 && refresh.progress.done == 27)
            while refresh.progress.rounds == 0 {
                try await clock.sleepers(1)
                clock.advance(by: .milliseconds(100))
            }
            #expect(source.calls.count == 36)
            #expect(refresh.progress.done == 30 && refresh.progress.failures == 0)
        }
    }

    @Test("The cache refresh continues after the failure of one account, and ends its round after one of all accounts")
    func failures() async throws {
        let source = FakeSource(listed: accounts) { account, _ async throws(BillingFailure) in
            if account.rawValue.hasSuffix("7") { throw .sourceRejected }
            return .contact(.sample(account))
        }
        try await with(source) { refresh, _ in
            try await clock.sleepers(1)
            #expect(refresh.progress.done == 30 && refresh.progress.failures == 3)
        }
        let refused = FakeSource(listed: accounts) { _, _ async throws(BillingFailure) in throw .credentialsRefused }
        try await with(refused) { refresh, _ in
            try await clock.sleepers(1)
            #expect(refused.calls.count == 8 && refresh.progress.rounds == 1)
        }
    }
}
