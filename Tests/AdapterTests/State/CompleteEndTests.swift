import Adapters
import Testing

@Suite("Note of a complete end")
struct CompleteEndTests {
    @Test(
        "The moments between the end of a process and the start of the next one are a gap, also with a clock set back",
        arguments: [
            (101, []), (100, [100...100]), (102, [101...101]), (200, [101...199]), (40, [40...100]),
        ] as [(Int64, [ClosedRange<Int64>])])
    func gap(now: Int64, expected: [ClosedRange<Int64>]) {
        let gaps = CompleteEnd(at: 100, gaps: StorageGaps()).gaps(until: now)
        #expect(gaps.ranges == expected)
    }

    @Test("Above the limit the oldest gaps become one, and every moment of a gap stays in one")
    func many() throws {
        var gaps = StorageGaps()
        var all: [ClosedRange<Int64>] = []
        for number in Int64(0)..<3000 {
            // The clock is set back for every second process.
            let start = number.isMultiple(of: 2) ? number * 10 : (3000 - number) * 10
            all.append(start...start + 5)
            gaps.add(start...start + 5)
        }
        #expect(gaps.ranges.count == 1000)
        for gap in all {
            #expect(gaps.ranges.contains { $0.contains(gap.lowerBound) && $0.contains(gap.upperBound) })
        }
        let document = CompleteEnd(at: 7, gaps: gaps).document
        #expect(try #require(CompleteEnd(document)).gaps(until: 8) == gaps)
    }
}
