import Domain
import DomainFakes
import Testing

@Suite("Rate budget")
struct RateBudgetTests {
    private static let start = Moment(sinceOrigin: .zero)
    private static let noon = Timestamp(secondsSinceEpoch: 1_769_860_800)
    private static let callers = (0..<10).map { Name(literal: "caller-\($0)") }

    // MARK: Simulations

    @Test(
        "Bulk alone uses 98.5 % of the rate limit, without a refusal", arguments: [2, 20, 60],
        [UInt64.random(in: 0 ... .max)]
    )
    func bulkAlone(limit: Int, seed: UInt64) {
        let simulation = RateSimulation(limit: limit)
        let result = simulation.run(for: .seconds(180), rules: .init(perSecond: limit), seed: seed)
        #expect(result.refused == 0, "seed \(seed)")
        #expect(result.used(limit: limit) >= 0.985, "\(result.used(limit: limit)), seed \(seed)")
    }

    @Test(
        "Interactive requests get a permit within two slots, and bulk uses the rest of the rate limit",
        arguments: [20, 60],
        [UInt64.random(in: 0 ... .max)])
    func interactiveFirst(limit: Int, seed: UInt64) {
        // Ten callers that use a twentieth of the rate together: rarely more than one at a time.
        let every = Duration.seconds(200) / limit
        let simulation = RateSimulation(
            limit: limit, interactive: Self.callers.map { .init(caller: $0, every: every) })
        let result = simulation.run(for: .seconds(600), rules: .init(perSecond: limit), seed: seed)
        let waits = result.waits.sorted()
        let slot = Duration.seconds(1) / limit
        #expect(waits[waits.count * 99 / 100] <= slot * 2, "\(waits[waits.count * 99 / 100]), seed \(seed)")
        #expect(result.refused == 0 && result.used(limit: limit) >= 0.98, "seed \(seed)")
    }

    @Test(
        "About 90 % of the quota that another client leaves is used, with about 1 % of the requests refused",
        arguments: [(20, 0.87, 0.02), (60, 0.91, 0.015)],
        [RateSimulation.Rival.atRandom, .everyOtherSlot, .inWaves])
    func rival(figures: (limit: Int, used: Double, refused: Double), rival: RateSimulation.Rival) {
        let seed = UInt64.random(in: 0 ... .max)
        let simulation = RateSimulation(limit: figures.limit, rival: rival)
        let result = simulation.run(for: .seconds(180), rules: .init(perSecond: figures.limit), seed: seed)
        #expect(result.used(limit: figures.limit) >= figures.used, "seed \(seed)")
        #expect(result.refusedShare < figures.refused, "seed \(seed)")
    }

    @Test(
        "The rate limit is shared with another client even if the source does not report the remaining quota",
        arguments: [20, 60])
    func unreported(limit: Int) {
        let seed = UInt64.random(in: 0 ... .max)
        let simulation = RateSimulation(limit: limit, rival: .atRandom, reportsRemaining: false)
        let result = simulation.run(for: .seconds(180), rules: .init(perSecond: limit), seed: seed)
        #expect(result.used(limit: limit) >= 0.5, "\(result.used(limit: limit)), seed \(seed)")
        #expect(result.refusedShare < 0.1, "\(result.refusedShare), seed \(seed)")
    }

    @Test(
        "Our share of the rate limit is not exceeded, whether or not the source reports the remaining quota",
        arguments: [0.5, 0.8], [true, false])
    func share(share: Double, reportsRemaining: Bool) {
        let seed = UInt64.random(in: 0 ... .max)
        for rival in RateSimulation.Rival.allCases {
            let simulation = RateSimulation(limit: 20, rival: rival, reportsRemaining: reportsRemaining)
            let result = simulation.run(for: .seconds(60), rules: .init(perSecond: 20, share: share), seed: seed)
            #expect(Double(result.accepted + result.refused) <= 20 * share * 60 + 1, "\(rival), seed \(seed)")
        }
    }

    @Test("Bulk gets a small part of the permits, however many interactive requests are queued")
    func bulkGoesOn() {
        let seed = UInt64.random(in: 0 ... .max)
        // Ten callers that request three times the rate limit.
        let simulation = RateSimulation(
            limit: 20, interactive: Self.callers.map { .init(caller: $0, every: .milliseconds(160)) })
        let result = simulation.run(for: .seconds(60), rules: .init(perSecond: 20), seed: seed)
        let part = Double(result.bulkAccepted) / Double(result.accepted)
        #expect(part > 0.04 && part < 0.06, "\(part), seed \(seed)")
    }

    // MARK: Permits

    private static func budget(_ perSecond: Int, perDay: Int? = nil) -> RateBudget {
        RateBudget(rules: .init(perSecond: perSecond, perDay: perDay))
    }

    @Test("A request is refused at once, with the expected wait, if that exceeds its queue timeout")
    func queueTimeout() {
        var budget = Self.budget(1)
        func enter(_ ticket: RateBudget.Ticket, _ queueTimeout: Duration) -> RateBudget.Admission {
            budget.enter(
                ticket, for: .interactive(for: Self.callers[0]), queueTimeout: queueTimeout, at: Self.start, Self.noon)
        }
        #expect(enter(1, .zero) == .granted)
        #expect(enter(2, .zero) == .refused(.busy(wait: .milliseconds(1004))))
        #expect(enter(3, .milliseconds(1004)) == .queued)
        guard case .refused(.busy(let wait)) = enter(4, .seconds(2)) else {
            Issue.record("the request was not refused")
            return
        }
        #expect(wait > .seconds(2) && wait < .milliseconds(2100))
        #expect(budget.step(at: Self.start, Self.noon) == .wait(until: Self.start + .milliseconds(1004)))
        #expect(budget.step(at: Self.start + .milliseconds(1004), Self.noon) == .grant(3))
        #expect(budget.step(at: Self.start + .milliseconds(1004), Self.noon) == .idle)
    }

    @Test("A queued request is refused at its queue timeout if the wait is longer than expected")
    func late() {
        var budget = Self.budget(1)
        let purpose = Purpose.interactive(for: Self.callers[0])
        #expect(budget.enter(1, for: purpose, queueTimeout: .zero, at: Self.start, Self.noon) == .granted)
        #expect(budget.enter(2, for: purpose, queueTimeout: .seconds(2), at: Self.start, Self.noon) == .queued)
        budget.refused(retryAfter: .seconds(10), sent: Self.start, at: Self.start)
        #expect(budget.step(at: Self.start, Self.noon) == .wait(until: Self.start + .seconds(2)))
        let late = Self.start + .seconds(2)
        #expect(budget.step(at: late, Self.noon) == .refuse(2, .busy(wait: .seconds(8))))
    }

    @Test("A request that has left the queue gets no permit")
    func leaves() {
        var budget = Self.budget(1)
        #expect(budget.enter(1, for: .bulk, queueTimeout: nil, at: Self.start, Self.noon) == .granted)
        for ticket: RateBudget.Ticket in [2, 3] {
            #expect(budget.enter(ticket, for: .bulk, queueTimeout: nil, at: Self.start, Self.noon) == .queued)
        }
        budget.leave(2)
        #expect(budget.step(at: Self.start + .seconds(2), Self.noon) == .grant(3))
    }

    @Test("Bulk is refused when only the reserve of the daily quota is left; interactive requests use the reserve")
    func day() {
        var budget = Self.budget(100, perDay: 10)
        var now = Self.start
        func enter(_ ticket: RateBudget.Ticket, _ purpose: Purpose) -> RateBudget.Admission {
            now = now + .seconds(1)
            return budget.enter(ticket, for: purpose, queueTimeout: .seconds(1), at: now, Self.noon)
        }
        for ticket: RateBudget.Ticket in 1...9 { #expect(enter(ticket, .bulk) == .granted) }
        #expect(enter(10, .bulk) == .refused(.dailyQuotaSpent(wait: .seconds(43_200))))
        #expect(enter(11, .interactive(for: nil)) == .granted)
        #expect(enter(12, .interactive(for: nil)) == .refused(.dailyQuotaSpent(wait: .seconds(43_200))))
    }

    @Test("No permit is granted until the time that the source asks for, by its rate limit or its daily quota")
    func refused() {
        var budget = Self.budget(20)
        let purpose = Purpose.interactive(for: nil)
        #expect(budget.enter(1, for: purpose, queueTimeout: .zero, at: Self.start, Self.noon) == .granted)
        budget.refused(retryAfter: .seconds(3), sent: Self.start, at: Self.start)
        #expect(
            budget.enter(2, for: purpose, queueTimeout: .zero, at: Self.start, Self.noon)
                == .refused(.busy(wait: .seconds(3))))
        budget.dailyQuotaExhausted(retryAfter: nil, at: Self.noon)
        let later = Self.start + .seconds(60)
        #expect(
            budget.enter(3, for: purpose, queueTimeout: .zero, at: later, Self.noon)
                == .refused(.dailyQuotaSpent(wait: .seconds(43_200))))
    }

    @Test("A bulk or background request waits for a permit no longer than its queue timeout")
    func bulkTimeout() {
        for purpose in [Purpose.bulk(queueTimeout: .zero), .background(queueTimeout: .zero)] {
            var budget = RateBudget(rules: .init(perSecond: 10))
            #expect(
                budget.enter(1, for: purpose, queueTimeout: purpose.queueTimeout, at: Self.start, Self.noon) == .granted
            )
            guard
                case .refused(.busy(let wait)) = budget.enter(
                    2, for: purpose, queueTimeout: purpose.queueTimeout, at: Self.start, Self.noon)
            else {
                Issue.record("the second request was not refused")
                continue
            }
            #expect(wait > .zero)
            #expect(budget.usage(at: Self.noon).waiting == 0)
        }
    }

    @Test("A background request is refused at its deadline if bulk has used every permit until then")
    func backgroundDeadline() {
        var budget = RateBudget(rules: .init(perSecond: 10))
        let background = Purpose.background(queueTimeout: .seconds(1))
        #expect(budget.enter(1, for: .bulk, queueTimeout: nil, at: Self.start, Self.noon) == .granted)
        #expect(budget.enter(2, for: background, queueTimeout: .seconds(1), at: Self.start, Self.noon) == .queued)
        var now = Self.start
        var ticket: RateBudget.Ticket = 2
        var bulk = 0
        while bulk < 20 {
            ticket += 1
            #expect(budget.enter(ticket, for: .bulk, queueTimeout: nil, at: now, Self.noon) == .queued)
            var isGranted = false
            while !isGranted {
                switch budget.step(at: now, Self.noon) {
                case .grant(let gone):
                    #expect(gone == ticket)
                    bulk += 1
                    isGranted = true
                case .wait(let moment): now = moment
                case .refuse(let refused, .busy):
                    #expect(refused == 2 && now >= Self.start + .seconds(1))
                case .refuse(_, .dailyQuotaSpent), .idle:
                    Issue.record("the bulk request should get a permit")
                    return
                }
            }
        }
        #expect(budget.usage(at: Self.noon).waiting == 0)
    }
}
