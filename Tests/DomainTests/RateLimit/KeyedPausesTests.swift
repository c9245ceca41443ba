import Domain
import Testing

@Suite("Keyed pauses")
struct KeyedPausesTests {
    private static func moment(_ seconds: Int) -> Moment { Moment(sinceOrigin: .seconds(seconds)) }

    @Test("A pause of one account applies to that account only, until it ends")
    func single() {
        var pauses = KeyedPauses<String>()
        pauses.pause("a", until: Self.moment(10), at: Self.moment(0))
        #expect(pauses.wait(for: "a", at: Self.moment(4)) == .seconds(6))
        #expect(pauses.wait(for: "b", at: Self.moment(4)) == nil)
        #expect(pauses.wait(for: "a", at: Self.moment(10)) == nil)
        #expect(pauses.count == 0)
    }

    @Test("Pauses of accounts are limited in number, and expired ones are removed first")
    func bounded() {
        var pauses = KeyedPauses<Int>()
        for key in 0..<20_000 {
            pauses.pause(key, until: Self.moment(1000 + key), at: Self.moment(0))
            #expect(pauses.wait(for: key, at: Self.moment(0)) != nil)
        }
        #expect(pauses.count <= 10_000)
        var few = KeyedPauses<Int>()
        for key in 0..<10_000 { few.pause(key, until: Self.moment(key < 9000 ? 1 : 1000), at: Self.moment(0)) }
        few.pause(10_000, until: Self.moment(1000), at: Self.moment(2))
        #expect(few.count == 1001)
        #expect((9000...10_000).allSatisfy { few.wait(for: $0, at: Self.moment(2)) != nil })
    }
}
