import Domain
import DomainFakes
import Testing

@Suite("Pacer")
struct PacerTests {
    private static let start = Moment(sinceOrigin: .seconds(100))

    @Test("A pacer admits the first request at once, the next after the spacing, and one at once after a pause")
    func spacing() {
        var pacer = Pacer(perSecond: 4)
        #expect(pacer.nextSlot(at: Self.start) == Self.start)
        pacer.spend(at: Self.start)
        // A quarter of a second and of the guard time, minus the catch-up.
        #expect(pacer.nextSlot(at: Self.start) == Self.start + .milliseconds(252 - 4))
        #expect(pacer.nextSlot(at: Self.start + .seconds(1)) == Self.start + .seconds(1))
    }

    @Test("A pacer catches up after late requests, so late timers do not reduce its rate")
    func late() {
        var pacer = Pacer(perSecond: 20)
        var now = Self.start
        for _ in 0..<2000 {
            now = pacer.nextSlot(at: now) + .milliseconds(2)
            pacer.spend(at: now)
        }
        let rate = 2000 / ((now - Self.start) / .seconds(1))
        #expect(rate > 20 * 0.99 && rate < 20)
    }

    @Test(
        "A pacer never exceeds its rate in any one second, with late timers and varying latency",
        arguments: [1, 2, 16, 48, 60], [UInt64.random(in: 0 ... .max)])
    func anySecond(perSecond: Int, seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var pacer = Pacer(perSecond: Double(perSecond))
        var now = Moment(sinceOrigin: .zero)
        var arrived: [Moment] = []
        for _ in 0..<2000 {
            // Sometimes there is no request for a while.
            if Int.random(in: 0..<10, using: &random) == 0 {
                now = now + .milliseconds(Int.random(in: 0...3000, using: &random))
            }
            now = pacer.nextSlot(at: now) + .microseconds(Int.random(in: 0...10_000, using: &random))
            pacer.spend(at: now)
            arrived.append(now + .microseconds(Int.random(in: 0...3900, using: &random)))
        }
        arrived.sort()
        for (first, last) in zip(arrived, arrived.dropFirst(perSecond)) {
            #expect(last - first >= .seconds(1), "seed \(seed)")
        }
    }
}
