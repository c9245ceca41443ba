import Domain
import DomainFakes
import Testing

@Suite("A pace")
struct PacerTests {
    private static let start = Moment(sinceOrigin: .seconds(100))

    @Test("lets the first request go at once, the next a spacing later, and after a pause one at once again")
    func spacing() {
        var pace = Pacer(perSecond: 4)
        #expect(pace.nextSlot(at: Self.start) == Self.start)
        pace.spend(at: Self.start)
        // A quarter of a second and of the guard time, less what may be caught up with.
        #expect(pace.nextSlot(at: Self.start) == Self.start + .milliseconds(252 - 4))
        #expect(pace.nextSlot(at: Self.start + .seconds(1)) == Self.start + .seconds(1))
    }

    @Test("catches up with what goes a little late, so that late clocks do not slow it down")
    func late() {
        var pace = Pacer(perSecond: 20)
        var now = Self.start
        for _ in 0..<2000 {
            now = pace.nextSlot(at: now) + .milliseconds(2)
            pace.spend(at: now)
        }
        let rate = 2000 / ((now - Self.start) / .seconds(1))
        #expect(rate > 20 * 0.99 && rate < 20)
    }

    @Test(
        "never lets more than its rate through in any one second, however late clocks ring and however the way varies",
        arguments: [1, 2, 16, 48, 60], [UInt64.random(in: 0 ... .max)])
    func anySecond(perSecond: Int, seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var pace = Pacer(perSecond: Double(perSecond))
        var now = Moment(sinceOrigin: .zero)
        var arrived: [Moment] = []
        for _ in 0..<2000 {
            // Sometimes there is nothing to send for a while.
            if Int.random(in: 0..<10, using: &random) == 0 {
                now = now + .milliseconds(Int.random(in: 0...3000, using: &random))
            }
            now = pace.nextSlot(at: now) + .microseconds(Int.random(in: 0...10_000, using: &random))
            pace.spend(at: now)
            arrived.append(now + .microseconds(Int.random(in: 0...3900, using: &random)))
        }
        arrived.sort()
        for (first, last) in zip(arrived, arrived.dropFirst(perSecond)) {
            #expect(last - first >= .seconds(1), "seed \(seed)")
        }
    }
}
