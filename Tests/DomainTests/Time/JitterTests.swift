import Domain
import Testing

@Suite("Jitter")
struct JitterTests {
    @Test("the numbers are from 0 to below 1, and a tenth of them is in each tenth of that range")
    func spread() {
        let jitter = Jitter()
        var counts = [Int](repeating: 0, count: 10)
        for _ in 0..<10_000 {
            let number = jitter.next()
            #expect((0..<1).contains(number))
            counts[Int(number * 10)] += 1
        }
        // 1000 each, with a standard deviation of 30.
        #expect(counts.allSatisfy { (800...1200).contains($0) })
    }
}
