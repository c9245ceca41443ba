import Adapters
import FoundationEssentials
import Testing

@Suite("SHA-256")
struct SHA256DigestTests {
    @Test("the digest of \"abc\" matches FIPS 180-4")
    func known() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(SHA256Digest(of: "abc").hexadecimal == abc)
        #expect(SHA256Digest(hexadecimal: abc) == SHA256Digest(of: Array("xabc".utf8).dropFirst()))
    }

    @Test(
        "a text other than 64 hexadecimal digits is refused", arguments: ["", "ab", String(repeating: "g", count: 64)])
    func refused(text: String) {
        #expect(SHA256Digest(hexadecimal: text) == nil)
    }
}

@Suite("Random token")
struct RandomTokenTests {
    @Test("tokens are unique and hold 256 bits in base64url")
    func token() {
        let tokens = (0..<100).map { _ in RandomToken.make(prefix: "p_") }
        #expect(Set(tokens).count == tokens.count)
        for token in tokens {
            #expect(token.hasPrefix("p_"))
            #expect(Data(base64URL: String(token.dropFirst(2)))?.count == 32)
        }
    }
}
