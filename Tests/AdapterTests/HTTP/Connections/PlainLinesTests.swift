import Adapters
import DomainFakes
import NIOCore
import Testing

/// Searches in the bytes of lines.
@Suite("Bytes of lines")
struct PlainLinesTests {
    /// Whether `writeJSONText` leaves the text of a line unchanged.
    private static func isUnchanged(_ line: some Collection<UInt8>) -> Bool {
        guard String(validating: line, as: UTF8.self) != nil else { return false }
        var written = ByteBuffer()
        written.writeJSONText(line)
        return written.readableBytesView.elementsEqual(line)
    }

    @Test("lines are plain exactly if they are UTF-8 and have no control character and no other line end")
    func plainLines() throws {
        var random = SeededRandom(seed: 23)
        let parts: [[UInt8]] = [
            [0xC2, 0x85], [0xE2, 0x80, 0xA8], [0xE2, 0x80, 0xA9], [0x1F], [0x7F], [0x00], [0x0D], [0x09], [0xFF],
            [0xC2],
            [0xE2, 0x80],
        ]
        let harmless: [[UInt8]] = [
            Array("a".utf8), Array("ü".utf8), Array("\u{2027}".utf8), Array("\u{84}".utf8),
            Array("日本".utf8), Array("𝄞".utf8), Array("\u{E000}".utf8), Array(repeating: 0x20, count: 50),
        ]
        var plain = 0
        for _ in 0..<20_000 {
            // In a string, so that white space is not omitted.
            var line = [UInt8(ascii: "\"")]
            for _ in 0..<Int.random(in: 0..<8, using: &random) {
                line += harmless.randomElement(using: &random) ?? []
            }
            if Bool.random(using: &random) { line += parts.randomElement(using: &random) ?? [] }
            for _ in 0..<Int.random(in: 0..<8, using: &random) {
                line += harmless.randomElement(using: &random) ?? []
            }
            line.append(UInt8(ascii: "\""))
            let expected = Self.isUnchanged(line)
            plain += expected ? 1 : 0
            // As part of other bytes, and at the end.
            for rest: [UInt8] in [[], [0x0A], [0x0A, 0x85], [0x80, 0xA8], [0x85]] {
                var buffer = ByteBuffer(bytes: [0x0D] + line + rest)
                buffer.moveReaderIndex(forwardBy: 1)
                #expect(buffer.isPlainLine(1..<1 + line.count) == expected, "\(line)")
            }
        }
        #expect(plain > 5000)
        #expect(ByteBuffer().isPlainLine(0..<0))
        for place in [0, 15, 16, 31, 32, 97, 98, 99] {
            var bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 100)
            #expect(ByteBuffer(bytes: bytes).isPlainLine(0..<100))
            bytes[place] = 0x07
            #expect(!ByteBuffer(bytes: bytes).isPlainLine(0..<100))
            #expect(ByteBuffer(bytes: bytes).isPlainLine(0..<place))
        }
    }

    @Test("bytes are found, and ranges compared, within the readable bytes only")
    func searches() {
        var buffer = ByteBuffer(string: "\nab\nabc\n")
        buffer.moveReaderIndex(forwardBy: 1)
        buffer.moveWriterIndex(to: buffer.writerIndex - 1)
        let lineFeed = UInt8(ascii: "\n")
        #expect(buffer.firstIndex(of: lineFeed, from: 1) == 3)
        #expect(buffer.firstIndex(of: lineFeed, from: 3) == 3)
        #expect(buffer.firstIndex(of: lineFeed, from: 4) == nil)
        #expect(buffer.firstIndex(of: lineFeed, from: 0) == nil && buffer.firstIndex(of: lineFeed, from: 99) == nil)
        #expect(buffer.lastIndex(of: lineFeed) == 3 && buffer.lastIndex(of: 0) == nil)
        #expect(buffer.begins(with: "abc", at: 4) && !buffer.begins(with: "abc\n", at: 4))
        #expect(buffer.begins(with: "", at: 7) && !buffer.begins(with: "\n", at: 0))
        #expect(buffer.compare(1..<3, 4..<6) == 0)
        #expect(buffer.compare(1..<3, 4..<7) < 0 && buffer.compare(4..<7, 1..<3) > 0)
        #expect(buffer.compare(2..<3, 1..<2) > 0 && buffer.compare(1..<1, 1..<2) < 0)
    }
}
