import Domain
import DomainFakes
import Synchronization
import Testing

@Suite("Cached billing", .timeLimit(.minutes(10)))
struct BillingCacheTests {
    private typealias Cache = BillingCache

    private let a = AccountID(literal: "a")
    private let clock = TestClock()

    private func cache(_ source: FakeSource, _ change: (inout CacheRules) -> Void = { _ in }) -> Cache {
        var rules = CacheRules()
        rules.jitter = 0
        rules.ttl = .seconds(100)
        rules.staleWhileRevalidate = .seconds(10)
        rules.staleIfError = .seconds(1000)
        change(&rules)
        return Cache(source: source, time: clock, rules: rules, codec: FakeCodec())
    }

    private func get(
        _ cache: Cache, _ directives: CacheDirectives = .none, for purpose: Purpose = .interactive
    ) async throws(BillingFailure) -> CacheEntry {
        try await cache.entry(for: .billingInformation(of: a), under: nil, for: purpose, directives: directives)
    }

    @Test("Cached billing: one request to the source in the lifetime of an answer, for months")
    func months() async throws {
        let source = FakeSource()
        let cache = cache(source) {
            $0.refreshAhead = 1
            $0.ttl = .seconds(6000)
            $0.staleWhileRevalidate = .seconds(600)
        }
        var fetches = 0
        var oldest = Duration.zero
        // Every 30 minutes for 90 days.
        for _ in 0..<(90 * 48) {
            let age = try await get(cache).age(at: clock.now)
            if age == .zero { fetches += 1 }
            oldest = max(oldest, age)
            clock.advance(by: .seconds(1800))
            try await settle(cache)
        }
        #expect(oldest < .seconds(6600))
        // Fresh at 0, 30, 60 and 90 minutes. At 120 minutes it is too stale to be served.
        #expect(source.calls.count == fetches && fetches == 90 * 48 / 4)
    }

    /// Returns when no request is in flight.
    private func settle(_ cache: Cache) async throws {
        while cache.isFetching {
            try Task.checkCancellation()
            await Task.yield()
        }
    }

    @Test("Cached billing: jitter shortens the lifetime of an answer by up to a tenth")
    func jitter() async throws {
        let source = FakeSource()
        let cache = cache(source) { $0.jitter = 0.1 }
        var lifetimes: Set<Duration> = []
        for number in 0..<50 {
            let entry = try await cache.entry(
                for: .billingInformation(of: AccountID(literal: "\(number)")), under: nil, for: .interactive,
                directives: .none)
            lifetimes.insert(entry.fake.lifetime)
            #expect(entry.fake.lifetime > .seconds(89.9) && entry.fake.lifetime <= .seconds(100))
        }
        #expect(lifetimes.count > 40)
    }

    @Test("Cached billing: a TTL of zero turns the cache off")
    func off() async throws {
        let source = FakeSource()
        let cache = cache(source) { $0.ttl = .zero }
        for _ in 0..<3 { _ = try await get(cache) }
        #expect(source.calls.count == 3 && cache.size.entries == 0)
    }

    @Test("Cached billing: a stale answer is served while one request revalidates it")
    func staleWhileRevalidate() async throws {
        let source = FakeSource()
        let cache = cache(source)
        _ = try await get(cache)
        clock.advance(by: .seconds(105))
        for _ in 0..<5 { #expect(try await get(cache).fake.number == 0) }
        try await settle(cache)
        #expect(source.calls.count == 2)
        #expect(try await get(cache).fake.number == 1)
        #expect(cache.counts.revalidations == 1 && cache.counts.stale == 5)
    }

    @Test("Cached billing: refresh-ahead revalidates answers in demand only")
    func refreshAhead() async throws {
        let source = FakeSource()
        let cache = cache(source)
        _ = try await get(cache)
        clock.advance(by: .seconds(85))
        // A single request in its lifetime is no demand.
        _ = try await get(cache)
        try await settle(cache)
        #expect(source.calls.count == 1)
        _ = try await get(cache)
        try await settle(cache)
        #expect(source.calls.count == 2)
        clock.advance(by: .seconds(50))
        #expect(try await get(cache).fake.number == 1)
    }

    @Test("Cached billing: a failed revalidation is not retried at once")
    func failedRevalidation() async throws {
        let source = FakeSource { account, attempt async throws(BillingFailure) in
            if attempt > 1 { throw .sourceFailed }
            return .contact(.sample(account))
        }
        let cache = cache(source)
        _ = try await get(cache)
        clock.advance(by: .seconds(101))
        for _ in 0..<3 {
            _ = try await get(cache)
            try await settle(cache)
        }
        #expect(source.calls.count == 2)
        clock.advance(by: .seconds(5))
        _ = try await get(cache)
        try await settle(cache)
        #expect(source.calls.count == 3)
    }

    @Test("Cached billing: revalidation continues to work after it met a request in flight, however that one ends")
    func revalidationDuringRequest() async throws {
        for failure in [BillingFailure.sourceFailed, .cancelled] {
            let release = Signal()
            let source = FakeSource { account, attempt async throws(BillingFailure) in
                if attempt == 2 {
                    try await release.waitInSource()
                    throw failure
                }
                return .contact(.sample(account))
            }
            let cache = cache(source)
            _ = try await get(cache)
            clock.advance(by: .seconds(105))
            var directives = CacheDirectives()
            directives.maxAge = .seconds(10)
            let job = Task { try await get(cache, directives, for: .bulk) }
            while source.calls.count < 2 { await Task.yield() }
            // Stale: would be revalidated, but a request is in flight.
            #expect(try await get(cache).fake.number == 0)
            release.fire()
            _ = await job.result
            try await settle(cache)
            #expect(source.calls.count == 2)
            #expect(try await get(cache).fake.number == 0)
            try await settle(cache)
            #expect(source.calls.count == 3)
            #expect(try await get(cache).fake.number == 1)
            #expect(cache.counts.revalidations == 1)
        }
    }

    @Test("Cached billing: background revalidations are limited in number and have the lowest priority")
    func boundedRevalidations() async throws {
        let release = Signal()
        let purposes = Mutex<[Purpose]>([])
        let source = PurposeReportingSource { purpose in
            purposes.withLock { $0.append(purpose) }
            if purpose.priority == .background { try? await release.wait() }
        }
        var rules = CacheRules()
        rules.jitter = 0
        rules.ttl = .seconds(100)
        rules.revalidationsMax = 3
        let cache = Cache(source: source, time: clock, rules: rules, codec: FakeCodec())
        let accounts = (0..<10).map { AccountID(literal: "\($0)") }
        for account in accounts {
            _ = try await cache.entry(for: .billingInformation(of: account), under: nil, for: .bulk, directives: .none)
        }
        clock.advance(by: .seconds(105))
        for _ in 0..<2 {
            for account in accounts {
                #expect(
                    cache.cached(.billingInformation(of: account), under: nil, directives: .none, at: clock.now) != nil)
            }
        }
        while purposes.withLock({ $0.count }) < 13 { await Task.yield() }
        #expect(purposes.withLock { $0[10...].allSatisfy { $0 == .background(queueTimeout: .seconds(10)) } })
        #expect(cache.counts.revalidations == 3)
        release.fire()
        try await settle(cache)
        // The others are revalidated as soon as there is room.
        while cache.counts.revalidations < 10 {
            for account in accounts {
                _ = cache.cached(.billingInformation(of: account), under: nil, directives: .none, at: clock.now)
            }
            await Task.yield()
        }
        try await settle(cache)
        #expect(purposes.withLock { $0.count } == 20)
    }

    @Test("Cached billing: a job that joins a revalidation in flight raises it to its own priority")
    func raisedRevalidation() async throws {
        let purposes = Mutex<[Purpose]>([])
        let source = PurposeReportingSource { purpose in
            purposes.withLock { $0.append(purpose) }
            guard purpose.priority == .background else { return }
            while !Task.isCancelled { await Task.yield() }
        }
        var rules = CacheRules()
        rules.jitter = 0
        rules.ttl = .seconds(100)
        let cache = Cache(source: source, time: clock, rules: rules, codec: FakeCodec())
        _ = try await get(cache)
        clock.advance(by: .seconds(105))
        _ = try await get(cache)
        while purposes.withLock({ $0.count }) < 2 { await Task.yield() }
        var directives = CacheDirectives()
        directives.maxAge = .seconds(10)
        #expect(try await get(cache, directives, for: .bulk).age(at: clock.now) == .zero)
        #expect(purposes.withLock { $0.map(\.priority) } == [.interactive, .background, .bulk])
    }

    @Test(
        "Cached billing: stale-if-error serves a stale answer after a temporary failure, and after no other",
        arguments: [
            (BillingFailure.sourceFailed, true), (.timedOut, true), (.rateLimited(retryAfter: .seconds(1)), true),
            (.accountQuotaSpent(.listBillingInvoices, retryAfter: .seconds(1)), true),
            (.dailyQuotaSpent(retryAfter: .seconds(1)), true), (.sourceUnavailable(retryAfter: .seconds(1)), true),
            (.credentialsRefused, false), (.permissionMissing(anyOf: []), false), (.cancelled, false),
        ])
    func staleIfError(failure: BillingFailure, servesStale: Bool) async throws {
        let source = FakeSource { account, attempt async throws(BillingFailure) in
            if attempt > 1 { throw failure }
            return .contact(.sample(account))
        }
        let cache = cache(source)
        _ = try await get(cache)
        clock.advance(by: .seconds(1099))
        if servesStale {
            #expect(try await get(cache).fake.number == 0)
            #expect(cache.counts.staleIfError == 1)
        } else {
            await #expect(throws: failure) { try await get(cache) }
        }
        clock.advance(by: .seconds(1))
        await #expect(throws: failure) { try await get(cache) }
    }

    @Test("Cached billing: a failure is cached for a short time, and replaces an older answer")
    func failures() async throws {
        let source = FakeSource { account, attempt async throws(BillingFailure) in
            if attempt == 2 { throw .accountNotFound(account) }
            return .contact(.sample(account))
        }
        let cache = cache(source)
        #expect(try await get(cache).failure == nil)
        clock.advance(by: .seconds(200))
        #expect(try await get(cache).failure == .accountNotFound(a))
        clock.advance(by: .seconds(29))
        #expect(try await get(cache).failure == .accountNotFound(a))
        clock.advance(by: .seconds(20))
        #expect(try await get(cache).failure == nil)
    }

    @Test("Cached billing: only-if-cached sends no request to the source")
    func onlyIfCached() async throws {
        let source = FakeSource()
        let cache = cache(source)
        var directives = CacheDirectives()
        directives.onlyIfCached = true
        await #expect(throws: BillingFailure.notCached) { try await get(cache, directives) }
        #expect(source.calls.isEmpty)
        _ = try await get(cache)
        #expect(try await get(cache, directives).fake.number == 0)
    }

    @Test("Cached billing: removing all answers also drops the answers of requests in flight")
    func removed() async throws {
        let release = Signal()
        let source = FakeSource { account, attempt async throws(BillingFailure) in
            if attempt == 1 { try await release.waitInSource() }
            return .contact(.sample(account))
        }
        let cache = cache(source)
        let request = Task { try await get(cache) }
        while source.calls.isEmpty {
            try Task.checkCancellation()
            await Task.yield()
        }
        cache.removeAll()
        release.fire()
        _ = try await request.joined
        #expect(cache.size.entries == 0)
        _ = try await get(cache)
        #expect(source.calls.count == 2 && cache.size.entries == 1)
        cache.removeAll()
        #expect(cache.size == (0, 0))
    }

    // MARK: Request coalescing

    @Test("Cached billing: concurrent requests for one account make one call, which survives its first waiter")
    func oneCall() async throws {
        let release = Signal()
        let source = FakeSource { account, _ async throws(BillingFailure) in
            try await release.waitInSource()
            return .contact(.sample(account))
        }
        let cache = cache(source)
        let first = Task { try await get(cache) }
        while source.calls.isEmpty {
            try Task.checkCancellation()
            await Task.yield()
        }
        let others = (0..<100).map { _ in Task.immediate { try await get(cache) } }
        first.cancel()
        await #expect(throws: BillingFailure.cancelled) { try await first.joined }
        release.fire()
        for other in others { #expect(try await other.joined.failure == nil) }
        #expect(source.calls.count == 1)
    }

    @Test("Cached billing: a request in flight is cancelled when its last waiter leaves")
    func abandoned() async throws {
        let cancelled = Signal()
        let source = FakeSource { _, _ async throws(BillingFailure) in
            await withTaskCancellationHandler {
                while !Task.isCancelled { await Task.yield() }
            } onCancel: {
                cancelled.fire()
            }
            throw .cancelled
        }
        let cache = cache(source)
        let requests = (0..<3).map { _ in Task.immediate { try await get(cache) } }
        while source.calls.isEmpty {
            try Task.checkCancellation()
            await Task.yield()
        }
        for task in requests { task.cancel() }
        try await cancelled.wait()
        #expect(source.calls.count == 1)
    }

    @Test("Cached billing: an interactive request restarts a job's request in flight, and both get the answer")
    func restarted() async throws {
        let purposes = Mutex<[Purpose]>([])
        let source = PurposeReportingSource { purpose in
            purposes.withLock { $0.append(purpose) }
            guard purpose.priority == .bulk else { return }
            while !Task.isCancelled { await Task.yield() }
        }
        var rules = CacheRules()
        rules.jitter = 0
        let cache = Cache(source: source, time: clock, rules: rules, codec: FakeCodec())
        let job = Task { try await get(cache, for: .bulk) }
        while purposes.withLock({ $0.isEmpty }) {
            try Task.checkCancellation()
            await Task.yield()
        }
        let entry = try await get(cache)
        #expect(try await job.joined === entry)
        #expect(purposes.withLock { $0 } == [.bulk, .interactive])
    }

    @Test("Cached billing: a request with no-cache or another queue timeout does not join a request in flight")
    func alone() async throws {
        let release = Signal()
        let source = FakeSource { account, attempt async throws(BillingFailure) in
            if attempt == 1 { try await release.waitInSource() }
            return .contact(.sample(account))
        }
        let cache = cache(source)
        let first = Task { try await get(cache) }
        while source.calls.isEmpty {
            try Task.checkCancellation()
            await Task.yield()
        }
        var directives = CacheDirectives()
        directives.noCache = true
        _ = try await get(cache, directives)
        #expect(source.calls.count == 2)
        cache.removeAll()
        _ = try await get(cache, for: .interactive(for: nil, queueTimeout: .zero))
        #expect(source.calls.count == 3)
        release.fire()
        _ = try await first.joined
    }

    @Test("Cached billing: closing the cache cancels the requests in flight")
    func closed() async throws {
        let source = FakeSource { _, _ async throws(BillingFailure) in
            while !Task.isCancelled { await Task.yield() }
            throw .cancelled
        }
        let cache = cache(source)
        let request = Task { try await get(cache) }
        while source.calls.isEmpty {
            try Task.checkCancellation()
            await Task.yield()
        }
        await cache.close()
        await #expect(throws: BillingFailure.cancelled) { try await request.joined }
        await #expect(throws: BillingFailure.cancelled) { try await get(cache) }
    }

    // MARK: Against a model

    /// Random operations. The model predicts which answer is served, and when the source is called.
    @Test("Cached billing: the cache behaves like a simple model", arguments: 1...20)
    func model(seed: UInt64) async throws {
        struct Known {
            var obtained: Moment
            var isFailure: Bool
        }
        let isFailing = Mutex(false)
        let isGone = Mutex<Set<AccountID>>([])
        let source = FakeSource { account, _ async throws(BillingFailure) in
            if isFailing.withLock({ $0 }) { throw .sourceFailed }
            if isGone.withLock({ $0.contains(account) }) { throw .accountNotFound(account) }
            return .contact(.sample(account))
        }
        // No background revalidations.
        let cache = cache(source) {
            $0.refreshAhead = 1
            $0.staleWhileRevalidate = .zero
        }
        var random = SeededRandom(seed: seed)
        var model: [AccountID: Known] = [:]
        for _ in 0..<2000 {
            let account = AccountID(literal: "\(Int.random(in: 0..<8, using: &random))")
            switch Int.random(in: 0..<20, using: &random) {
            case 0: isFailing.withLock { $0.toggle() }
            case 1:
                isGone.withLock { gone in
                    if gone.remove(account) == nil { gone.insert(account) }
                }
            case 2: if Int.random(in: 0..<10, using: &random) == 0 { model = [:]; cache.removeAll() }
            case 3..<8: clock.advance(by: .seconds(Int.random(in: 0..<60, using: &random)))
            case 8: clock.advance(by: .seconds(Int.random(in: 0..<1500, using: &random)))
            default:
                var directives = CacheDirectives()
                switch Int.random(in: 0..<8, using: &random) {
                case 0: directives.noCache = true
                case 1: directives.maxAge = .seconds(Int.random(in: 0..<150, using: &random))
                case 2: directives.onlyIfCached = true
                default: break
                }
                try await check(account, directives)
            }
        }
        func check(_ account: AccountID, _ directives: CacheDirectives) async throws {
            let now = clock.now
            let known = model[account]
            let age = known.map { now - $0.obtained }
            let lifetime = known.map { $0.isFailure ? Duration.seconds(30) : .seconds(100) }
            var (isFresh, isStaleIfError) = (false, false)
            if let age, let lifetime, !directives.noCache, age <= directives.maxAge ?? age {
                isFresh = age < lifetime
                isStaleIfError = age - lifetime < .seconds(1000)
            }
            let before = source.calls.count
            let outcome: Result<CacheEntry, BillingFailure>
            do throws(BillingFailure) {
                outcome = .success(
                    try await cache.entry(
                        for: .billingInformation(of: account), under: nil, for: .interactive, directives: directives))
            } catch {
                outcome = .failure(error)
            }
            let fetches = source.calls.count - before
            #expect(fetches == (isFresh || directives.onlyIfCached ? 0 : 1))
            switch outcome {
            case .success(let entry):
                #expect(isFresh || !directives.onlyIfCached)
                if isFresh || isFailing.withLock({ $0 }) {
                    #expect(isFresh || isStaleIfError)
                    #expect(entry.age(at: now) == age)
                } else {
                    #expect(entry.age(at: now) == .zero)
                    let isGone = isGone.withLock { $0.contains(account) }
                    #expect((entry.failure != nil) == isGone)
                    model[account] = Known(obtained: now, isFailure: isGone)
                }
            case .failure(.notCached): #expect(directives.onlyIfCached && !isFresh)
            case .failure(let failure):
                #expect(failure == .sourceFailed && isFailing.withLock { $0 } && !isFresh && !isStaleIfError)
            }
        }
    }

    // MARK: Eviction

    @Test("Cached billing: the size is limited, and answers in demand survive an export of all accounts")
    func eviction() async throws {
        let source = FakeSource()
        let bytesMax = 120_000
        let cache = cache(source) { $0.bytesMax = bytesMax }
        let popular = (0..<50).map { AccountID(literal: "popular-\($0)") }
        func read(_ account: AccountID) async throws {
            _ = try await cache.entry(
                for: .billingInformation(of: account), under: nil, for: .interactive, directives: .none)
        }
        for _ in 0..<3 { for account in popular { try await read(account) } }
        for number in 0..<10_000 {
            try await read(AccountID(literal: "other-\(number)"))
            #expect(cache.size.bytes <= bytesMax)
            if number.isMultiple(of: 4) { try await read(popular[number / 4 % 50]) }
        }
        let before = source.calls.count
        for account in popular { try await read(account) }
        #expect(source.calls.count - before <= 2)
        #expect(cache.size.entries > 500 && cache.counts.evicted > 8000)
    }
}

/// A source that reports the purpose of each request.
private final class PurposeReportingSource: BillingSource {
    private let onRequest: @Sendable (Purpose) async -> Void

    init(_ onRequest: @escaping @Sendable (Purpose) async -> Void) {
        self.onRequest = onRequest
    }

    func hasQueuedRequests(for operation: Operation, under master: Name?) -> Bool { false }

    func answer(
        to read: AccountRead, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> SourceAnswer {
        await onRequest(purpose)
        if Task.isCancelled { throw .cancelled }
        return .contact(.sample(read.account))
    }
}
