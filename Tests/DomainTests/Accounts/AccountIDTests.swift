import Domain
import DomainFakes
import Testing

@Suite("Account id")
struct AccountIDTests {
    @Test(
        "An account id has 1 to 64 characters that need no escaping",
        arguments: ["a", "me", "Qx7Zk2mPTfGh0aB1cD2eFg", "-_.=+", "..a", String(repeating: "x", count: 64)])
    func accepts(text: String) throws {
        #expect(try #require(AccountID(text)).rawValue == text)
    }

    @Test(
        "An invalid account id is refused",
        arguments: [
            "", ".", "..", "a b", "a/b", "a%20b", "a\u{0}", "ä", "a\n", "a?b", "a#b", "a:b",
            String(repeating: "x", count: 65),
        ])
    func refuses(text: String) {
        #expect(AccountID(text) == nil)
    }

    @Test("Account ids sort by bytes, as other tools sort them")
    func order() {
        let texts = ["a", "B", "-", "_", "=", "0", "a0", "A", "+", "z9", "Z"]
        let byBytes = texts.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        #expect(texts.compactMap { AccountID($0) }.sorted().map(\.rawValue) == byBytes)
    }

    @Test("A random account id is valid exactly when every byte is allowed", arguments: [UInt64.random(in: 0 ... .max)])
    func randomBytes(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let allowed = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+".utf8)
        for _ in 0..<10_000 {
            let bytes = (0..<Int.random(in: 0...70, using: &random)).map { _ in
                Bool.random(using: &random) ? UInt8.random(in: 0...255, using: &random) : UInt8(ascii: "a")
            }
            let isValid =
                (1...64).contains(bytes.count) && bytes.allSatisfy(allowed.contains)
                && bytes.contains { $0 != UInt8(ascii: ".") }
            #expect((AccountID(bytes[...]) != nil) == isValid, "seed \(seed)")
        }
    }
}
