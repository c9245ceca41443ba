import Domain
import DomainFakes
import Testing

@Suite("Retry schedule and budget")
struct RetryTests {
    private static let start = Moment(sinceOrigin: .zero)

    @Test(
        "Retries back off exponentially with full jitter, up to five seconds, and end before the deadline",
        arguments: [UInt64.random(in: 0 ... .max)])
    func schedule(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var waits: [[Duration]] = Array(repeating: [], count: 8)
        for _ in 0..<200 {
            var schedule = RetrySchedule(deadline: Self.start + .seconds(3600))
            var now = Self.start
            for attempt in waits.indices {
                guard let next = schedule.next(retryAfter: nil, at: now, using: &random) else { break }
                waits[attempt].append(next - now)
                now = next
            }
        }
        for (attempt, waits) in waits.enumerated() {
            let most = min(Duration.milliseconds(200) * (1 << attempt), .seconds(5))
            #expect(waits.allSatisfy { $0 >= .zero && $0 <= most }, "seed \(seed)")
            // The whole interval is used, and not only its end.
            #expect((waits.max() ?? .zero) > most * 0.9 && (waits.min() ?? most) < most * 0.1, "seed \(seed)")
        }
        var schedule = RetrySchedule(deadline: Self.start + .seconds(2))
        var now = Self.start
        while let next = schedule.next(retryAfter: nil, at: now, using: &random) {
            #expect(next < Self.start + .seconds(2))
            now = next + .milliseconds(1)
        }
    }

    @Test("A retry waits as long as the source asks, and is not made if that is after the deadline")
    func retryAfter() throws {
        var random = SeededRandom(seed: 1)
        var schedule = RetrySchedule(deadline: Self.start + .seconds(10))
        let next = try #require(schedule.next(retryAfter: .seconds(4), at: Self.start, using: &random))
        #expect(next >= Self.start + .seconds(4) && next < Self.start + .seconds(5))
        #expect(schedule.next(retryAfter: .seconds(10), at: Self.start, using: &random) == nil)
    }

    @Test("A retry budget permits one retry for ten requests, and a few more after a quiet time")
    func budget() {
        var budget = RetryBudget()
        var again = 0
        for _ in 0..<1000 {
            budget.recordRequest()
            // Every request fails, and would be retried three times.
            for _ in 0..<3 where budget.take() { again += 1 }
        }
        #expect(again >= 100 && again <= 110)
    }
}

@Suite("Bulk retries")
struct BulkRetryTests {
    private static let start = Moment(sinceOrigin: .zero)

    /// The attempts of a lookup that always fails, until it is given up. Each attempt takes `each`.
    private static func attempts(
        _ failure: BillingFailure, share: Double, each: Duration = .zero, seed: UInt64 = 1
    ) -> (count: Int, waits: [Duration], end: Moment) {
        var random = SeededRandom(seed: seed)
        var retry = BulkRetry(deadline: start + .seconds(60))
        var now = start
        var waits: [Duration] = []
        var count = 0
        while true {
            now = now + each
            count += 1
            switch retry.decide(failure, failureRate: FailureRate(share), at: now, using: &random) {
            case .giveUp: return (count, waits, now)
            case .retry(let next), .pause(let next):
                waits.append(next - now)
                now = next
            }
        }
    }

    @Test("Bulk retries are quick while the source fails as often for all accounts, then back off up to five seconds")
    func backOff() {
        let seldom = Self.attempts(.sourceFailed, share: 0)
        #expect(seldom.waits[..<2].allSatisfy { $0 <= .milliseconds(200) })
        for (index, wait) in seldom.waits.enumerated() {
            #expect(wait <= min(.milliseconds(200) * (1 << min(max(index - 1, 0), 10)), .seconds(5)))
        }
        #expect(seldom.end > Self.start + .seconds(50) && seldom.end < Self.start + .seconds(60))
        #expect(seldom.count > 15 && seldom.count < 45)
        let often = Self.attempts(.timedOut, share: 0.5)
        #expect(often.waits[..<10].allSatisfy { $0 <= .milliseconds(200) })
    }

    @Test("Bulk retries end at the deadline, but with slow attempts not before chance is ruled out")
    func attempts() {
        for (share, least) in [(0, 5), (0.15, 11), (0.5, 30), (0.9, 41)] {
            let slow = Self.attempts(.sourceFailed, share: share, each: .seconds(30))
            #expect(slow.count == least)
        }
    }

    @Test("Bulk retries wait until the source accepts requests again, with a last attempt at the deadline")
    func unavailable() {
        let long = Self.attempts(.sourceUnavailable(retryAfter: .seconds(60)), share: 0)
        #expect(long.count == 2 && long.end == Self.start + .seconds(60))
        let short = Self.attempts(.sourceUnavailable(retryAfter: .zero), share: 0)
        #expect(Array(short.waits[..<5]) == [.milliseconds(500), .seconds(1), .seconds(2), .seconds(4), .seconds(5)])
        #expect(short.end == Self.start + .seconds(60))
    }

    @Test("Bulk retries do not wait for a rate limit that resets after the deadline")
    func longBudget() {
        #expect(Self.attempts(.rateLimited(retryAfter: .seconds(3600)), share: 0).count == 1)
        #expect(Self.attempts(.rateLimited(retryAfter: .seconds(7)), share: 0).waits.first == .seconds(7))
    }

    @Test(
        "Bulk retries are not made after a permanent failure",
        arguments: [
            BillingFailure.sourceRejected, .selfPay, .accountNotFound(AccountID(literal: "a")), .credentialsRefused,
            .dailyQuotaSpent(retryAfter: .seconds(1)), .cancelled,
            .accountQuotaSpent(.listBillingInvoices, retryAfter: .seconds(1)),
        ])
    func lasting(failure: BillingFailure) {
        #expect(Self.attempts(failure, share: 0.5).count == 1)
    }

    @Test("Bulk retries depend on the failure rate of first attempts over about the last thirty lookups")
    func share() {
        var share = FailureRate()
        #expect(share.attempts(untilChanceIsBelow: 1e-9) == 5)
        share.firstAttempt(failed: true)
        #expect(share.attempts(untilChanceIsBelow: 1e-9) <= 6)
        for index in 0..<200 { share.firstAttempt(failed: index.isMultiple(of: 2)) }
        #expect((29...31).contains(share.attempts(untilChanceIsBelow: 1e-9)))
        for _ in 0..<200 { share.firstAttempt(failed: true) }
        #expect(share.attempts(untilChanceIsBelow: 1e-9) == 41)
        for _ in 0..<200 { share.firstAttempt(failed: false) }
        #expect(share.attempts(untilChanceIsBelow: 1e-9) == 5)
    }
}

@Suite("Circuit breaker")
struct CircuitTests {
    private static func moment(_ seconds: Double) -> Moment { Moment(sinceOrigin: .seconds(seconds)) }

    /// A circuit breaker that has just opened.
    private static func open(at seconds: Double = 0) -> CircuitBreaker {
        var circuit = CircuitBreaker()
        for _ in 0..<20 { circuit.ended(.failed, at: moment(seconds)) }
        return circuit
    }

    @Test("A circuit breaker opens after twenty failures in a row, for five seconds")
    func opens() {
        var circuit = CircuitBreaker()
        for _ in 0..<19 { circuit.ended(.failed, at: Self.moment(0)) }
        circuit.ended(.answered, at: Self.moment(0))
        for _ in 0..<19 {
            #expect(circuit.enter(at: Self.moment(0)) == .admitted)
            circuit.ended(.failed, at: Self.moment(0))
        }
        circuit.ended(.unknown, at: Self.moment(0))
        #expect(circuit.isClosed && circuit.enter(at: Self.moment(0)) == .admitted)
        circuit.ended(.failed, at: Self.moment(0))
        #expect(!circuit.isClosed && circuit.enter(at: Self.moment(2)) == .refused(retryAfter: .seconds(3)))
    }

    /// Fixed seeds: one sequence in a hundred does have twenty failures in a row.
    @Test(
        "A circuit breaker stays closed for a source that fails half of its calls at random",
        arguments: [1, 2, 3] as [UInt64])
    func randomFailures(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var circuit = CircuitBreaker()
        for call in 0..<20_000 {
            let now = Self.moment(Double(call) / 60)
            #expect(circuit.enter(at: now) == .admitted)
            circuit.ended(Bool.random(using: &random) ? .failed : .answered, at: now)
        }
    }

    @Test("A half-open circuit breaker admits one probe, closes after an answer, and opens for longer after a failure")
    func halfOpens() {
        var circuit = Self.open()
        var now = 5.0
        for wait in [10.0, 20, 40, 60, 60] {
            #expect(circuit.enter(at: Self.moment(now)) == .admitted)
            #expect(circuit.enter(at: Self.moment(now)) == .refused(retryAfter: .seconds(1)))
            circuit.ended(.failed, at: Self.moment(now))
            #expect(circuit.enter(at: Self.moment(now)) == .refused(retryAfter: .seconds(wait)))
            now += wait
        }
        #expect(circuit.enter(at: Self.moment(now)) == .admitted)
        circuit.ended(.answered, at: Self.moment(now))
        #expect(circuit.isClosed && circuit.enter(at: Self.moment(now)) == .admitted)
    }

    @Test("A half-open circuit breaker admits another probe if the first one ends without an outcome, or not at all")
    func probes() {
        var circuit = Self.open()
        #expect(circuit.enter(at: Self.moment(5)) == .admitted)
        circuit.ended(.unknown, at: Self.moment(6))
        #expect(circuit.enter(at: Self.moment(6)) == .admitted)
        #expect(circuit.enter(at: Self.moment(35.9)) == .refused(retryAfter: .seconds(1)))
        #expect(circuit.enter(at: Self.moment(36)) == .admitted)
    }

    @Test("An open circuit breaker ignores failures of requests that were in flight when it opened")
    func late() {
        var circuit = Self.open()
        circuit.ended(.failed, at: Self.moment(4))
        circuit.ended(.unknown, at: Self.moment(4))
        #expect(circuit.enter(at: Self.moment(4)) == .refused(retryAfter: .seconds(1)))
        // An answer closes it.
        circuit.ended(.answered, at: Self.moment(4))
        #expect(circuit.enter(at: Self.moment(4)) == .admitted)
    }
}
