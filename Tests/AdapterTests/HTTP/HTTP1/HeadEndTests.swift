import Adapters
import DomainFakes
import Testing

@Suite("End of a head of HTTP/1.1")
struct HeadEndTests {
    /// The same byte by byte: the oracle.
    private struct Model {
        var hasBegun = false
        var lines = 0
        var endBytes = 0

        private static let end = Array("\r\n\r\n".utf8)

        var isFound: Bool { endBytes == 4 }

        mutating func advance(over bytes: ArraySlice<UInt8>) -> Int {
            var index = bytes.startIndex
            if !hasBegun {
                while index < bytes.endIndex, Self.end.contains(bytes[index]) { index += 1 }
                guard index < bytes.endIndex else { return bytes.count }
                hasBegun = true
            }
            while index < bytes.endIndex {
                let byte = bytes[index]
                index += 1
                if byte == UInt8(ascii: "\n") { lines += 1 }
                if byte == Self.end[endBytes] {
                    endBytes += 1
                    if endBytes == Self.end.count { return index - bytes.startIndex }
                } else {
                    endBytes = byte == UInt8(ascii: "\r") ? 1 : 0
                }
            }
            return bytes.count
        }
    }

    /// What is known after each piece, until the end is found.
    private static func expectSame(_ bytes: [UInt8], cutAt cuts: [Int]) throws {
        var (model, head) = (Model(), HeadEnd())
        var start = 0
        for end in cuts + [bytes.count] where !model.isFound {
            let piece = bytes[start..<end]
            let expected = model.advance(over: piece)
            let count = piece.withUnsafeBytes { head.advance(over: $0) }
            let isSame =
                count == expected && head.isFound == model.isFound && head.hasBegun == model.hasBegun
                && head.lines == model.lines
            try #require(isSame, "\(String(decoding: bytes, as: UTF8.self).debugDescription), cut at \(cuts)")
            start = end
        }
    }

    @Test("Every text of up to six line ends and letters has the same end as byte by byte, wherever it is cut")
    func allShortTexts() throws {
        let alphabet = Array("\r\na".utf8)
        for length in 0...6 {
            for number in 0..<Int((0..<length).reduce(1) { product, _ in product * alphabet.count }) {
                var (bytes, rest) = ([UInt8](), number)
                for _ in 0..<length {
                    bytes.append(alphabet[rest % alphabet.count])
                    rest /= alphabet.count
                }
                for cut in 0...length { try Self.expectSame(bytes, cutAt: [cut]) }
            }
        }
    }

    @Test("Heads with bare and repeated line ends have the same end as byte by byte, in whatever pieces they arrive")
    func heads() throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(seed: seed)
        let parts = [
            "GET / HTTP/1.1", "Host: a", "\r", "\n", "\r\n", "\r\r\n", "\n\r", "\r\n\r\n", "\r\n\r", "\u{0}", "ü",
        ]
        for _ in 0..<5000 {
            var text = ""
            for _ in 0..<Int.random(in: 0..<12, using: &random) { text += parts.randomElement(using: &random) ?? "" }
            let bytes = Array(text.utf8)
            let cuts = (0..<Int.random(in: 0..<5, using: &random)).map { _ in
                Int.random(in: 0...bytes.count, using: &random)
            }
            try Self.expectSame(bytes, cutAt: cuts.sorted())
        }
    }
}
