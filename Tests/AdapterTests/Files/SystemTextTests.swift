import Adapters
import DomainFakes
import Testing

@Suite("System text")
struct SystemTextTests {
    @Test("conversion to text and back is lossless for all bytes")
    func roundTrip() {
        var random = SeededRandom(seed: 7)
        // Valid and invalid UTF-8, and the UTF-8 form of the escape characters.
        let pieces: [[UInt8]] = [
            [0x2F], [0x61], [0x80], [0xE9], [0xC3, 0xA9], [0xF4, 0x8F, 0xBE, 0x80], [0xF4, 0x8F, 0xBF, 0xBF], [0xF4],
            [0xFF],
            [0xED, 0xA0, 0x80], [0xE2, 0x82], [0xC0, 0xAF],
        ]
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0...6, using: &random)).flatMap { _ in
                pieces.randomElement(using: &random) ?? []
            }
            let text = SystemText.text(of: bytes)
            #expect(SystemText.bytes(of: text) == bytes)
            #expect(SystemText.cString(of: text) == bytes.map { CChar(bitPattern: $0) } + [0])
        }
        #expect(SystemText.text(of: Array("My Files/é.json".utf8)) == "My Files/é.json")
    }

    @Test(
        "parent and last component of a path are split at slash bytes",
        arguments: [
            ("a", ".", "a"), ("/a", "/", "a"), ("a/b", "a", "b"), ("/a b/c%20", "/a b", "c%20"),
            ("x/\u{301}y", "x", "\u{301}y"),
        ])
    func components(path: String, parent: String, last: String) {
        #expect(Array(SystemText.parent(ofPath: path).utf8) == Array(parent.utf8))
        #expect(Array(SystemText.lastComponent(ofPath: path).utf8) == Array(last.utf8))
    }
}
