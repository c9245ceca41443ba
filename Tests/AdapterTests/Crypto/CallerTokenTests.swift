import Adapters
import Testing

@Suite("Caller token")
struct CallerTokenTests {
    private static func form(_ text: String) -> CallerToken.Form { CallerToken.form(of: Array(text.utf8)[...]) }

    @Test("tokens match the pattern of secret scanners, are unique, and pass their checksum")
    func made() {
        let tokens = (0..<1000).map { _ in CallerToken.make() }
        #expect(Set(tokens).count == tokens.count)
        for token in tokens {
            #expect("TOKEN='\(token)'".firstMatch(of: /\bbst_[0-9A-Za-z]{49}\b/) != nil)
            #expect(Self.form(token) == .intact)
        }
        // 43 characters of an alphabet of 62 hold 256 bits if all are equally likely: here each is expected 694 times.
        let counts = tokens.joined().filter { $0 != "_" }.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        #expect(counts.count == 62)
        #expect(counts.filter { !"bst".contains($0.key) }.values.allSatisfy { (550...1000).contains($0) })
    }

    @Test("a mistyped, truncated or lengthened token fails its checksum")
    func damaged() throws {
        let token = CallerToken.make()
        let characters = Array(token)
        for position in CallerToken.prefix.count..<characters.count {
            for other in "0aZ" where other != characters[position] {
                var mistyped = characters
                mistyped[position] = other
                #expect(Self.form(String(mistyped)) == .damaged)
            }
            #expect(Self.form(String(characters[..<position])) == .damaged)
        }
        var swapped = characters
        let place = try #require((5..<45).first { characters[$0] != characters[$0 + 1] })
        swapped.swapAt(place, place + 1)
        #expect(Self.form(String(swapped)) == .damaged)
        #expect(Self.form(token + "x") == .damaged)
    }

    @Test("a text without the prefix is not a caller token", arguments: ["", "bst", "Bst_abc", "eyJhbGciOi", "xbst_"])
    func foreign(text: String) {
        #expect(Self.form(text) == .foreign)
    }
}
