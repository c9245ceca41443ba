import Adapters
import Testing

@Suite("A caller's token")
struct CallerTokenTests {
    private static func form(_ text: String) -> CallerToken.Form { CallerToken.form(of: Array(text.utf8)[...]) }

    @Test("is found by a scanner for secrets, is like no other, and is known to be intact")
    func made() {
        let tokens = (0..<1000).map { _ in CallerToken.make() }
        #expect(Set(tokens).count == tokens.count)
        for token in tokens {
            #expect("TOKEN='\(token)'".firstMatch(of: /\bbst_[0-9A-Za-z]{49}\b/) != nil)
            #expect(Self.form(token) == .intact)
        }
        // 43 characters of 62 kinds are 256 bits if each kind is as likely as the others: here 694 of each are expected.
        let counts = tokens.joined().filter { $0 != "_" }.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        #expect(counts.count == 62)
        #expect(counts.filter { !"bst".contains($0.key) }.values.allSatisfy { (550...1000).contains($0) })
    }

    @Test("that is mistyped anywhere, cut off or longer is told from one that was intact")
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

    @Test("is none of ours without its prefix", arguments: ["", "bst", "Bst_abc", "eyJhbGciOi", "xbst_"])
    func foreign(text: String) {
        #expect(Self.form(text) == .foreign)
    }
}
