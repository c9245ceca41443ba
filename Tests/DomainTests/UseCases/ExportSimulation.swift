import Domain
import DomainFakes

/// Simulates an export of many accounts through rate limits, from a source that fails a share of its calls. Uses the
/// real export window and rate budgets: minutes in milliseconds.
struct ExportSimulation {
    struct Result {
        /// The account of each event, in their order.
        var exported: [Int] = []
        var failures = 0
        /// The accounts with a failure, in their order.
        var failed: [Int] = []
        var attempts = 0
        /// The requests of revalidations that were sent.
        var revalidations = 0
        var bufferedMax = 0
        /// When the last account was exported.
        var elapsed = Duration.zero
        /// How long each interactive request waited for its permit.
        var waits: [Duration] = []
    }

    let accounts: Int
    var perSecond = 60

    /// The rate limit of each kind of data, as an index of `rates`.
    var kinds = [0]

    /// The rate limits; `nil` for one of `perSecond`.
    var rates: [Int]?
    var isOrdered = true
    /// The probability that a call fails.
    var share: Double
    /// Accounts that fail until then, whatever the share.
    var failsUntil: [Int: Duration] = [:]
    /// The interval between interactive requests; `nil` for none.
    var interactiveEvery: Duration?
    /// The cached answers, of one kind; `nil` for none.
    var cached: CachedAccounts?

    static func account(_ number: Int) -> AccountID { AccountID(literal: "\(firstAccount + number)") }

    /// The accounts sort like their numbers.
    private static let firstAccount = 1_000_000

    private enum Event {
        case answered(ExportWindow.Attempt, started: Moment, sent: Moment)
        case due(ExportWindow.Retry)
        case interactive
        case budget
        case revalidated(RevalidationSource.Request, sent: Moment)
    }

    /// - Parameter entry: The result of each account.
    func run(_ entry: CacheEntry, seed: UInt64) async throws -> Result {
        var random = SeededRandom(seed: seed)
        var result = Result()
        var window = ExportWindow(
            kinds: kinds.count,
            limits: .init(attemptsMax: 64, accountsMax: 4096, bytesMax: 32 << 20), deadline: .seconds(60),
            isOrdered: isOrdered)
        var budgets = (rates ?? [perSecond]).map { RateBudget(rules: .init(perSecond: $0)) }
        let timestamp = Timestamp(secondsSinceEpoch: 1_769_860_800)
        let start = Moment(sinceOrigin: .zero)
        var now = start
        var events: [(at: Moment, event: Event)] = []
        var added = 0
        var ticket: RateBudget.Ticket = 0
        var queued: [RateBudget.Ticket: (attempt: ExportWindow.Attempt, started: Moment)] = [:]
        var interactiveSince: [RateBudget.Ticket: Moment] = [:]

        var revalidations: [RateBudget.Ticket: RevalidationSource.Request] = [:]

        func number(_ account: AccountID) -> Int { (Int(account.rawValue) ?? 0) - Self.firstAccount }
        func export(_ run: AnswerRun) {
            for index in 0..<run.count { result.exported.append(number(run[index].account)) }
            result.elapsed = now - start
        }
        func send(_ revalidation: RevalidationSource.Request) {
            result.revalidations += 1
            let latency = Duration.milliseconds(Int.random(in: 50...150, using: &random))
            events.append((now + latency, .revalidated(revalidation, sent: now)))
        }
        func begin(_ revalidation: RevalidationSource.Request) {
            ticket += 1
            let queueTimeout = Duration.seconds(10)
            let purpose = Purpose.background(queueTimeout: queueTimeout)
            switch budgets[0].enter(ticket, for: purpose, queueTimeout: queueTimeout, at: now, timestamp) {
            case .granted: send(revalidation)
            case .queued: revalidations[ticket] = revalidation
            case .refused: revalidation.answer(.failure(.rateLimited(retryAfter: .seconds(1))))
            }
        }
        func send(_ attempt: ExportWindow.Attempt, started: Moment) {
            result.attempts += 1
            let latency = Duration.milliseconds(Int.random(in: 50...150, using: &random))
            events.append((now + latency, .answered(attempt, started: started, sent: now)))
        }
        func begin(_ attempt: ExportWindow.Attempt) {
            ticket += 1
            let purpose = Purpose.bulk(isRetry: attempt.isRetry)
            switch budgets[kinds[attempt.kind]].enter(ticket, for: purpose, queueTimeout: nil, at: now, timestamp) {
            case .granted: send(attempt, started: now)
            case .queued: queued[ticket] = (attempt, now)
            case .refused: preconditionFailure("a bulk request has no queue timeout")
            }
        }

        if let interactiveEvery { events.append((now + interactiveEvery, .interactive)) }
        var iterations = 0
        while result.exported.count < accounts * kinds.count {
            // Other tests run on the same threads.
            iterations += 1
            if iterations.isMultiple(of: 50) {
                await Task.yield()
                try Task.checkCancellation()
            }
            // The export's part.
            while let attempt = window.beginAttempt() { begin(attempt) }
            while added < accounts, window.hasRoom {
                if let run = cached?.run(from: added, at: now) {
                    added += run.count
                    if window.isEmpty {
                        window.pass(run)
                        export(run)
                    } else {
                        _ = window.add(.run(run))
                    }
                    continue
                }
                for kind in kinds.indices {
                    window.lookUp(window.add(.record(Self.account(added), kind: kind)), kind: kind)
                }
                while let attempt = window.beginAttempt() { begin(attempt) }
                added += 1
            }
            while let ready = window.next() {
                switch ready {
                case .record(let account, _, let outcome):
                    result.exported.append(number(account))
                    if case .failure = outcome {
                        result.failures += 1
                        result.failed.append(number(account))
                    }
                    result.elapsed = now - start
                case .run(let run): export(run)
                case .invalidLine, .gone: preconditionFailure("the simulation adds none")
                }
            }
            if let cached {
                for revalidation in try await cached.takeRevalidations() { begin(revalidation) }
            }
            result.bufferedMax = max(result.bufferedMax, added - result.exported.count / kinds.count)
            // The rate limiter's part.
            var wakes: Moment?
            for label in budgets.indices {
                stepping: while true {
                    switch budgets[label].step(at: now, timestamp) {
                    case .idle: break stepping
                    case .wait(let moment):
                        wakes = min(wakes ?? moment, moment)
                        break stepping
                    case .grant(let ticket):
                        if let (attempt, started) = queued.removeValue(forKey: ticket) {
                            send(attempt, started: started)
                        }
                        if let revalidation = revalidations.removeValue(forKey: ticket) { send(revalidation) }
                        if let moment = interactiveSince.removeValue(forKey: ticket) {
                            result.waits.append(now - moment)
                        }
                    case .refuse(let ticket, _):
                        guard let revalidation = revalidations.removeValue(forKey: ticket) else {
                            preconditionFailure("no request reaches its queue timeout")
                        }
                        revalidation.answer(.failure(.rateLimited(retryAfter: .seconds(1))))
                    }
                }
            }
            if let wakes { events.append((wakes, .budget)) }
            guard let index = events.indices.min(by: { events[$0].at < events[$1].at }) else { break }
            let (moment, event) = events.remove(at: index)
            if wakes != nil { events.removeAll { if case .budget = $0.event { true } else { false } } }
            now = max(now, moment)
            switch event {
            case .budget: break
            case .revalidated(let revalidation, let sent):
                budgets[0].accepted(remaining: nil, sent: sent, at: now)
                cached?.advance(to: now)
                let fails = Double.random(in: 0..<1, using: &random) < share
                revalidation.answer(fails ? .failure(.sourceFailed) : .success(PermitSource.contact("new")))
            case .interactive:
                ticket += 1
                switch budgets[0].enter(ticket, for: .interactive, queueTimeout: .seconds(10), at: now, timestamp) {
                case .granted: result.waits.append(.zero)
                case .queued: interactiveSince[ticket] = now
                case .refused: result.waits.append(.seconds(10))
                }
                let pause = (interactiveEvery ?? .zero) * Double.random(in: 0.5...1.5, using: &random)
                events.append((now + pause, .interactive))
            case .due(let retry): window.backOffEnded(retry)
            case .answered(let attempt, let started, let sent):
                budgets[kinds[attempt.kind]].accepted(remaining: nil, sent: sent, at: now)
                let fails =
                    failsUntil[number(attempt.account)].map { now - start < $0 }
                    ?? (Double.random(in: 0..<1, using: &random) < share)
                let outcome: ExportWindow.Outcome = fails ? .failure(.sourceFailed) : .success(entry)
                if let retry = try window.ended(attempt, startedAt: started, outcome, at: now, using: &random) {
                    events.append((retry.due, .due(retry)))
                }
            }
        }
        return result
    }
}
