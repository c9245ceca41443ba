import Domain
import DomainFakes
import Testing

@Suite("Civil time that never goes back")
struct SteadyCivilTimeTests {
    @Test("The time is that of the system's clock while that clock goes forward, also in leaps")
    func forward() {
        let civil = SteadyCivilTime()
        #expect(civil.milliseconds(system: 5000, at: Moment(sinceOrigin: .seconds(10))) == 5000)
        #expect(civil.milliseconds(system: 6000, at: Moment(sinceOrigin: .seconds(11))) == 6000)
        #expect(civil.milliseconds(system: 9_000_000, at: Moment(sinceOrigin: .seconds(12))) == 9_000_000)
    }

    @Test("After the system's clock was set back, the time continues as if it was not")
    func back() {
        let civil = SteadyCivilTime()
        #expect(civil.milliseconds(system: 9_000_000, at: Moment(sinceOrigin: .seconds(10))) == 9_000_000)
        #expect(civil.milliseconds(system: 5_400_000, at: Moment(sinceOrigin: .seconds(10))) == 9_000_000)
        #expect(civil.milliseconds(system: 5_401_000, at: Moment(sinceOrigin: .seconds(11))) == 9_001_000)
        #expect(civil.milliseconds(system: 9_300_000, at: Moment(sinceOrigin: .seconds(12))) == 9_300_000)
    }

    @Test("The time never goes back, whatever the system's clock does", arguments: UInt64(1)...20)
    func random(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let civil = SteadyCivilTime()
        var (now, system, last) = (Moment(sinceOrigin: .seconds(-5)), Int64(1_700_000_000_000), Int64.min)
        for _ in 0..<1000 {
            let elapsed = Int64.random(in: 0...5000, using: &random)
            now = now + .microseconds(elapsed)
            system += elapsed / 1000
            if Int.random(in: 0..<20, using: &random) == 0 {
                system += Int64.random(in: -10_000...10_000, using: &random)
            }
            let time = civil.milliseconds(system: system, at: now)
            #expect(time >= last && time >= system)
            last = time
        }
    }
}
