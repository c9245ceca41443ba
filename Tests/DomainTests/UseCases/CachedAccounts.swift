import Domain
import DomainFakes
import Synchronization

/// Cached answers of a part of the accounts of a simulated export: blocks of accounts with fresh answers, with stale ones and
/// with none. The revalidations of the stale ones wait until the simulation answers them.
struct CachedAccounts {
    let list: AccountList
    let cache: BillingCache
    let source = RevalidationSource()

    /// The number of accounts without an answer.
    let missing: Int

    private let clock = TestClock()

    init(_ accounts: [AccountID], seed: UInt64) {
        list = AccountList(accounts)
        var rules = CacheRules()
        rules.ttl = .seconds(86_400)
        rules.jitter = 0
        rules.staleWhileRevalidate = .seconds(3600)
        let pages = AnswerPages(rules: rules)
        cache = BillingCache(source: source, time: clock, rules: rules, codec: PlainCodec(), pages: pages)
        var random = SeededRandom(seed: seed)
        var (next, missing) = (0, 0)
        while next < accounts.count {
            let ages: [Duration?] = [.seconds(60), .seconds(86_460), nil]
            for age in ages.shuffled(using: &random) {
                let end = min(next + Int.random(in: 1...200, using: &random), accounts.count)
                if let age {
                    for account in accounts[next..<end] { Self.store(account, in: pages, clock.now - age, clock) }
                } else {
                    missing += end - next
                }
                next = end
            }
        }
        self.missing = missing
    }

    private static func store(_ account: AccountID, in pages: AnswerPages, _ receivedAt: Moment, _ clock: TestClock) {
        let read = AccountRead.billingInformation(of: account)
        let encoded = PlainCodec().encode(
            .success(.document(SourceDocument(text: []))), to: read, asOf: clock.timestamp)
        guard let answer = NewAnswer(encoded, receivedAt: receivedAt, lifetime: .seconds(86_400)) else { return }
        _ = pages.put(answer, to: read, under: nil, now: clock.millisecondsSinceEpoch)
    }

    /// Cached answers of consecutive accounts from an index on.
    func run(from index: Int, at now: Moment) -> AnswerRun? {
        advance(to: now)
        let range = index..<min(index + 128, list.count)
        guard case .answers(let run)? = cache.run(of: .contact, under: nil, in: list, range, directives: .none, at: now)
        else { return nil }
        return run
    }

    func advance(to now: Moment) { clock.advance(by: max(now - clock.now, .zero)) }

    /// The revalidations that have begun since the last call.
    func takeRevalidations() async throws -> [RevalidationSource.Request] {
        while source.received < cache.counts.revalidations {
            try Task.checkCancellation()
            await Task.yield()
        }
        return source.take()
    }
}

/// A source whose requests wait until the simulation answers them.
final class RevalidationSource: BillingSource {
    typealias Outcome = Result<SourceAnswer, BillingFailure>

    struct Request: Sendable {
        fileprivate let pending: PendingWait<Outcome>

        func answer(_ outcome: Outcome) { pending.resume(returning: outcome) }
    }

    private struct State {
        var received = 0
        var requests: [Request] = []
    }

    private let state = Mutex(State())

    var received: Int { state.withLock { $0.received } }

    fileprivate func take() -> [Request] {
        state.withLock { state in
            defer { state.requests = [] }
            return state.requests
        }
    }

    func answer(
        to read: AccountRead, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> SourceAnswer {
        let outcome: Outcome
        do throws(CancellationError) {
            outcome = try await wait(for: "an answer to a revalidation") { (pending: PendingWait<Outcome>) in
                state.withLock { state in
                    state.received += 1
                    state.requests.append(Request(pending: pending))
                }
            }
        } catch {
            throw .cancelled
        }
        return try outcome.get()
    }

    func hasQueuedRequests(for operation: Domain.Operation, under master: Name?) -> Bool { false }
}
