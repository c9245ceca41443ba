import Adapters
import Domain
import DomainFakes
import Testing

@Suite("History of a counter")
struct CounterHistoryTests {
    private static func moment(_ seconds: Double) -> Moment { Moment(sinceOrigin: .seconds(seconds)) }

    @Test("The rate is the increase over the time, or since the first reading")
    func rate() throws {
        var history = CounterHistory()
        #expect(history.perSecond(over: .seconds(5)) == nil)
        history.add(100, at: Self.moment(10))
        #expect(history.perSecond(over: .seconds(5)) == nil && history.increase(over: .seconds(5)) == nil)
        history.add(130, at: Self.moment(12))
        #expect(history.perSecond(over: .seconds(5)) == 15)
        for second in 13...40 { history.add(130, at: Self.moment(Double(second))) }
        #expect(history.perSecond(over: .seconds(5)) == 0)
        #expect(history.increase(over: .seconds(300)) == 30)
        #expect(history.perSecond(over: .seconds(300)) == 1)
    }

    @Test("A counter that was set back begins a new history")
    func setBack() {
        var history = CounterHistory()
        history.add(100, at: Self.moment(0))
        history.add(200, at: Self.moment(1))
        history.add(7, at: Self.moment(2))
        #expect(history.perSecond(over: .seconds(5)) == nil)
        history.add(9, at: Self.moment(3))
        #expect(history.perSecond(over: .seconds(5)) == 2)
    }

    @Test("The steps of a history add up to the increase, whatever the times of the readings")
    func steps() throws {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = SeededRandom(seed: seed)
            var history = CounterHistory(span: .seconds(60))
            var readings: [(second: Double, value: Double)] = []
            var (second, value) = (0.0, 0.0)
            for _ in 0..<Int.random(in: 2...120, using: &random) {
                second += Double.random(in: 0.1...3, using: &random)
                value += Double.random(in: 0...50, using: &random)
                readings.append((second, value))
                history.add(value, at: Self.moment(second))
            }
            let steps = history.perSecond(inStepsOf: .seconds(5))
            #expect(steps.count == min(12, Int((second - readings[0].second) / 5)), "seed \(seed)")
            let increase = try #require(history.increase(over: .seconds(5 * steps.count)), "seed \(seed)")
            #expect(abs(steps.reduce(0, +) * 5 - increase) < 0.001, "seed \(seed)")
            #expect(steps.allSatisfy { $0 >= 0 }, "seed \(seed)")
        }
    }
}
