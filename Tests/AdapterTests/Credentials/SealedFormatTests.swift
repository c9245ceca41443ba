import Adapters
import Foundation
import Testing

@Suite("Encrypted file format")
struct SealedFormatTests {
    private static let message = Array(#"{"masters":[]}"#.utf8)

    @Test("decrypting with the right key returns the message; each encryption differs; the header names the key")
    func opens() throws {
        let (key, other) = (SealingKey.random(), SealingKey.random())
        let sealed = SealedFormat.seal(Self.message, with: key)
        #expect(try SealedFormat.open(sealed, with: [other, key]) == Self.message)
        #expect(try SealedFormat.keyID(of: sealed) == key.id && key.id != other.id)
        #expect(SealedFormat.seal(Self.message, with: key) != sealed)
        #expect(SealedFormat.isSealed(sealed) && !SealedFormat.isSealed(Self.message))
        #expect(sealed.starts(with: "billing-service sealed 1 AES-256-GCM key=\(key.id) nonce=".utf8))
        #expect(SealedFormat.seal([], with: key).count > 0)
    }

    @Test("decrypting with another key fails and names the key that is needed")
    func wrongKey() {
        let (key, other) = (SealingKey.random(), SealingKey.random())
        let sealed = SealedFormat.seal(Self.message, with: key)
        for (keys, held) in [([], "none was given"), ([other], "those given are \(other.id)")] {
            let problem = #expect(throws: DocumentProblem.self) { try SealedFormat.open(sealed, with: keys) }
            #expect(
                problem?.description.hasPrefix("encrypted with the key \(key.id), and \(held); name the file") == true)
        }
    }

    @Test("decrypting fails if any bit is changed, or a byte is missing or added")
    func changed() {
        let key = SealingKey.random()
        let sealed = SealedFormat.seal(Self.message, with: key)
        for position in sealed.indices {
            for bit in 0..<8 {
                var changed = sealed
                changed[position] ^= 1 << bit
                #expect(throws: DocumentProblem.self) { try SealedFormat.open(changed, with: [key]) }
            }
            #expect(throws: DocumentProblem.self) { try SealedFormat.open(Array(sealed[..<position]), with: [key]) }
        }
        #expect(throws: DocumentProblem.self) { try SealedFormat.open(sealed + [0], with: [key]) }
    }

    @Test("an unknown version and a damaged header give different errors")
    func version() {
        let key = SealingKey.random()
        let text =
            String(decoding: SealedFormat.seal(Self.message, with: key).prefix { $0 != 0x0A }, as: UTF8.self) + "\n"
        for (header, reason) in [
            (
                text.replacing("sealed 1 ", with: "sealed 2 "),
                "encrypted in a format that this version does not support"
            ),
            (text.replacing("AES-256-GCM", with: "AES-128-GCM"), "encrypted, but its first line is damaged"),
            (text.replacing("nonce=", with: "once="), "encrypted, but its first line is damaged"),
            ("billing-service sealed ", "encrypted, but its first line is damaged"),
        ] {
            let problem = #expect(throws: DocumentProblem.self) {
                try SealedFormat.open(Array(header.utf8), with: [key])
            }
            #expect(problem?.description == reason)
        }
    }

    @Test("a key is exactly 64 hexadecimal digits, and its id does not depend on their case")
    func keys() throws {
        let digits = String(repeating: "0f", count: 32)
        #expect(SealingKey(hexadecimal: digits)?.id == SealingKey(hexadecimal: digits.uppercased())?.id)
        #expect(SealingKey(hexadecimal: digits)?.hexadecimal == digits)
        #expect(!digits.contains(try #require(SealingKey(hexadecimal: digits)).id))
        for text in ["", "0f", digits + "0", String(digits.dropLast()) + "g", String(digits.dropLast(2)) + "é"] {
            #expect(SealingKey(hexadecimal: text) == nil)
        }
    }
}
