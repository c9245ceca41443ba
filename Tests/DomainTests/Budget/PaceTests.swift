import Domain
import DomainFakes
import Testing

@Suite("A pace")
struct PaceTests {
    @Test("lets the first request go at once, and the next a spacing later")
    func spacing() {
        var pace = Pace(perSecond: 4)
        let start = Moment(sinceOrigin: .seconds(100))
        #expect(pace.nextSlot(at: start) == start)
        pace.spend(at: start)
        #expect(pace.nextSlot(at: start) == start + .milliseconds(250))
        #expect(pace.nextSlot(at: start + .seconds(1)) == start + .seconds(1))
    }

    @Test("says how long those in the queue will wait")
    func waiting() {
        var pace = Pace(perSecond: 4)
        let start = Moment(sinceOrigin: .zero)
        pace.spend(at: start)
        #expect(pace.wait(position: 0, at: start) == .milliseconds(250))
        #expect(pace.wait(position: 3, at: start) == .seconds(1))
    }

    @Test(
        "never lets more than its rate through in any one second",
        arguments: [1, 2, 16, 48, 60], [UInt64.random(in: 0 ... .max)])
    func anySecond(perSecond: Int, seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var pace = Pace(perSecond: Double(perSecond))
        var now = Moment(sinceOrigin: .zero)
        var sent: [Moment] = []
        for _ in 0..<2000 {
            // Sometimes there is nothing to send for a while.
            if Int.random(in: 0..<10, using: &random) == 0 {
                now = now + .milliseconds(Int.random(in: 0...3000, using: &random))
            }
            let slot = pace.nextSlot(at: now)
            pace.spend(at: slot)
            sent.append(slot)
            now = slot
        }
        for (first, last) in zip(sent, sent.dropFirst(perSecond)) {
            #expect(last - first >= .milliseconds(999.999), "seed \(seed)")
        }
    }
}
