import Adapters
import DomainFakes
import NIOCore
import Testing

@Suite("Chunked coding")
struct ChunkedCodingTests {
    /// The number of bytes of the body when `text` arrives in pieces; nil if the body does not end in them.
    private static func length(of text: [UInt8], pieces: [Int], extensionsBytesMax: Int = 100) -> Result<
        Int?, any Error
    > {
        var coding = ChunkedCoding(extensionsBytesMax: extensionsBytesMax)
        var rest = text[...]
        var taken = 0
        var sizes = pieces[...]
        do {
            while !rest.isEmpty, !coding.isOver {
                let piece = rest.prefix(sizes.popFirst() ?? rest.count)
                let count = try coding.advance(over: ByteBuffer(bytes: piece).readableBytesView)
                taken += count
                rest = rest.dropFirst(piece.count)
            }
            return .success(coding.isOver ? taken : nil)
        } catch {
            return .failure(error)
        }
    }

    @Test("a body ends after its last chunk, however it is split and whatever bytes follow")
    func random() throws {
        var random = SeededRandom(seed: 1)
        for _ in 0..<20_000 {
            var body: [UInt8] = []
            for _ in 0..<Int.random(in: 0..<5, using: &random) {
                let size = 1 + Int.random(in: 0..<40, using: &random)
                let digits = String(size, radix: 16, uppercase: size % 2 == 0)
                let extensions = Int.random(in: 0..<4, using: &random) == 0 ? ";a=\"b\"" : ""
                body += Array("\(digits)\(extensions)\r\n".utf8)
                body += (0..<size).map { _ in UInt8(Int.random(in: 0..<256, using: &random)) } + Array("\r\n".utf8)
            }
            body += Array((Int.random(in: 0..<3, using: &random) == 0 ? "000\r\nTrailer: x\r\n\r\n" : "0\r\n\r\n").utf8)
            let following = (0..<Int.random(in: 0..<10, using: &random)).map { _ in
                UInt8(Int.random(in: 0..<256, using: &random))
            }
            let pieces = (0..<200).map { _ in 1 + Int.random(in: 0..<12, using: &random) }
            let whole = try Self.length(of: body + following, pieces: pieces).get()
            #expect(whole == body.count)
            // No proper prefix of the body is complete.
            let cut = Array(body.prefix(Int.random(in: 0..<body.count, using: &random)))
            let part = try Self.length(of: cut, pieces: pieces).get()
            #expect(part == nil)
        }
    }

    @Test("the result does not depend on how the bytes are split")
    func split() {
        var random = SeededRandom(seed: 2)
        let alphabet = Array("01aG;\r\n \u{0}:".utf8)
        for _ in 0..<50_000 {
            let bytes = (0..<Int.random(in: 0..<24, using: &random)).map { _ in
                alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
            }
            let whole = Self.length(of: bytes, pieces: [])
            let split = Self.length(of: bytes, pieces: Array(repeating: 1, count: 24))
            #expect("\(whole)" == "\(split)")
        }
    }

    @Test("chunk extensions are limited individually and in total")
    func extensions() {
        func body(_ lengths: [Int]) -> [UInt8] {
            Array((lengths.map { "1;" + String(repeating: "a", count: $0) + "\r\nx\r\n" }.joined() + "0\r\n\r\n").utf8)
        }
        for (lengths, isTaken) in [
            ([256], true), ([257], false), ([250, 250], true), (Array(repeating: 250, count: 4), true),
            (Array(repeating: 250, count: 5), false),
        ] {
            let result = Self.length(of: body(lengths), pieces: [], extensionsBytesMax: 1000)
            switch result {
            case .success: #expect(isTaken)
            case .failure(let error): #expect(!isTaken && error as? ChunkedCoding.Breach == .extensions)
            }
        }
    }
}
