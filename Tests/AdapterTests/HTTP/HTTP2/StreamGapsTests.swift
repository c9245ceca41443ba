import Adapters
import DomainFakes
import Testing

@Suite("Skipped stream identifiers")
struct StreamGapsTests {
    @Test("a skipped stream identifier can never be used, in any order of streams")
    func random() {
        var random = SeededRandom(seed: 3)
        for _ in 0..<2000 {
            var gaps = StreamGaps()
            var used: Set<Int32> = []
            var highest: Int32 = -1
            // Few enough that every gap is recorded.
            for _ in 0..<30 {
                let isNew = Bool.random(using: &random)
                let id =
                    isNew
                    ? highest + 2 * Int32.random(in: 1...4, using: &random)
                    : Int32.random(in: 0...20, using: &random) * 2 + 1
                let isSkipped = id < highest && !used.contains(id)
                #expect(gaps.mayBegin(id) == !isSkipped)
                if id > highest {
                    highest = id
                    used.insert(id)
                }
            }
        }
    }

    @Test("only the last 32 gaps are recorded")
    func bound() {
        var gaps = StreamGaps()
        for id in stride(from: Int32(1), to: 4000, by: 4) { #expect(gaps.mayBegin(id) == true) }
        #expect(gaps.mayBegin(3995) == false)
        #expect(gaps.mayBegin(3997 - 4 * 31 - 2) == false)
        #expect(gaps.mayBegin(3) == true)
    }

    @Test("stream 0 and even stream identifiers are not gaps")
    func others() {
        var gaps = StreamGaps()
        #expect(gaps.mayBegin(9) == true)
        #expect(gaps.mayBegin(0) == true)
        #expect(gaps.mayBegin(2) == true)
    }
}
