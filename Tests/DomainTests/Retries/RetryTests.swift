import Domain
import DomainFakes
import Testing

@Suite("Trying again")
struct RetryTests {
    private static let start = Moment(sinceOrigin: .zero)

    @Test(
        "waits for a random part of a time that doubles up to five seconds, and ends before the deadline",
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
            // All of the time is used, and not only its end.
            #expect((waits.max() ?? .zero) > most * 0.9 && (waits.min() ?? most) < most * 0.1, "seed \(seed)")
        }
        var schedule = RetrySchedule(deadline: Self.start + .seconds(2))
        var now = Self.start
        while let next = schedule.next(retryAfter: nil, at: now, using: &random) {
            #expect(next < Self.start + .seconds(2))
            now = next + .milliseconds(1)
        }
    }

    @Test("waits for as long as the source says, or gives up if that is too long")
    func retryAfter() throws {
        var random = SeededRandom(seed: 1)
        var schedule = RetrySchedule(deadline: Self.start + .seconds(10))
        let next = try #require(schedule.next(retryAfter: .seconds(4), at: Self.start, using: &random))
        #expect(next >= Self.start + .seconds(4) && next < Self.start + .seconds(5))
        #expect(schedule.next(retryAfter: .seconds(10), at: Self.start, using: &random) == nil)
    }

    @Test("is at most one in ten of what is asked, but for a few after a quiet time")
    func allowance() {
        var allowance = RetryAllowance()
        var again = 0
        for _ in 0..<1000 {
            allowance.asked()
            // Everything fails, and would be tried again three times.
            for _ in 0..<3 where allowance.take() { again += 1 }
        }
        #expect(again >= 100 && again <= 110)
    }
}

@Suite("A circuit")
struct CircuitTests {
    private static func moment(_ seconds: Double) -> Moment { Moment(sinceOrigin: .seconds(seconds)) }

    /// One that has just opened.
    private static func open(at seconds: Double = 0) -> Circuit {
        var circuit = Circuit()
        for _ in 0..<20 { circuit.ended(.failed, at: moment(seconds)) }
        return circuit
    }

    @Test("lets everybody ask until twenty in a row have failed, then nobody for five seconds")
    func opens() {
        var circuit = Circuit()
        for _ in 0..<19 { circuit.ended(.failed, at: Self.moment(0)) }
        circuit.ended(.answered, at: Self.moment(0))
        for _ in 0..<19 {
            #expect(circuit.enter(at: Self.moment(0)) == .goes)
            circuit.ended(.failed, at: Self.moment(0))
        }
        circuit.ended(.unknown, at: Self.moment(0))
        #expect(circuit.isClosed && circuit.enter(at: Self.moment(0)) == .goes)
        circuit.ended(.failed, at: Self.moment(0))
        #expect(!circuit.isClosed && circuit.enter(at: Self.moment(2)) == .refused(retryAfter: .seconds(3)))
    }

    /// Fixed seeds: one sequence in a hundred does have twenty failures in a row.
    @Test("stays closed for a source that fails half of its calls at random", arguments: [1, 2, 3] as [UInt64])
    func randomFailures(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var circuit = Circuit()
        for call in 0..<20_000 {
            let now = Self.moment(Double(call) / 60)
            #expect(circuit.enter(at: now) == .goes)
            circuit.ended(Bool.random(using: &random) ? .failed : .answered, at: now)
        }
    }

    @Test("then lets one ask; an answer lets everybody, a failure nobody for twice as long, up to a minute")
    func halfOpens() {
        var circuit = Self.open()
        var now = 5.0
        for wait in [10.0, 20, 40, 60, 60] {
            #expect(circuit.enter(at: Self.moment(now)) == .goes)
            #expect(circuit.enter(at: Self.moment(now)) == .refused(retryAfter: .seconds(1)))
            circuit.ended(.failed, at: Self.moment(now))
            #expect(circuit.enter(at: Self.moment(now)) == .refused(retryAfter: .seconds(wait)))
            now += wait
        }
        #expect(circuit.enter(at: Self.moment(now)) == .goes)
        circuit.ended(.answered, at: Self.moment(now))
        #expect(circuit.isClosed && circuit.enter(at: Self.moment(now)) == .goes)
    }

    @Test("lets another ask when who asked came to nothing, or says nothing")
    func probes() {
        var circuit = Self.open()
        #expect(circuit.enter(at: Self.moment(5)) == .goes)
        circuit.ended(.unknown, at: Self.moment(6))
        #expect(circuit.enter(at: Self.moment(6)) == .goes)
        #expect(circuit.enter(at: Self.moment(35.9)) == .refused(retryAfter: .seconds(1)))
        #expect(circuit.enter(at: Self.moment(36)) == .goes)
    }

    @Test("does not take what was under way when it opened for news")
    func late() {
        var circuit = Self.open()
        circuit.ended(.failed, at: Self.moment(4))
        circuit.ended(.unknown, at: Self.moment(4))
        #expect(circuit.enter(at: Self.moment(4)) == .refused(retryAfter: .seconds(1)))
        // But an answer is one.
        circuit.ended(.answered, at: Self.moment(4))
        #expect(circuit.enter(at: Self.moment(4)) == .goes)
    }
}
