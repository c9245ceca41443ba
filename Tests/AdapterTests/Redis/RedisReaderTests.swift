import Adapters
import DomainFakes
import NIOCore
import Testing

@Suite("Redis replies", .timeLimit(.minutes(10)))
struct RedisReaderTests {
    /// The replies in parts of random sizes; `isMalformed` if the reader refused the rest.
    private static func read(
        _ bytes: [UInt8], replyBytesMax: Int = 1_048_576, _ random: inout SeededRandom
    ) -> (replies: [RedisValue], isMalformed: Bool) {
        let reader = RedisReader(replyBytesMax: replyBytesMax)
        var replies: [RedisValue] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = rest.prefix(Int.random(in: 1...max(1, bytes.count / 3), using: &random))
            rest = rest.dropFirst(part.count)
            do throws(RedisReader.Malformed) {
                try reader.read(ByteBuffer(bytes: part)) { replies.append($0) }
            } catch {
                return (replies, true)
            }
        }
        return (replies, false)
    }

    private static func encoded(_ value: RedisValue) -> [UInt8] {
        switch value {
        case .null: Array("$-1\r\n".utf8)
        case .integer(let number): Array(":\(number)\r\n".utf8)
        case .text(let bytes): Array("$\(bytes.count)\r\n".utf8) + bytes + Array("\r\n".utf8)
        case .array(let elements): Array("*\(elements.count)\r\n".utf8) + elements.flatMap { encoded($0) }
        case .error(let error): Array("-\(error.code) \(error.message)\r\n".utf8)
        }
    }

    private static func randomValue(_ random: inout SeededRandom, depth: Int = 0) -> RedisValue {
        switch Int.random(in: 0..<(depth < 6 ? 7 : 5), using: &random) {
        case 0: .null
        case 1: .integer(Int64.random(in: .min...Int64.max, using: &random))
        case 2: .error(RedisErrorReply(code: "MISCONF", message: "no \(Int.random(in: 0..<9, using: &random))"))
        case 3, 4:
            .text((0..<Int.random(in: 0..<40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) })
        case _:
            .array((0..<Int.random(in: 0..<5, using: &random)).map { _ in randomValue(&random, depth: depth + 1) })
        }
    }

    @Test("random replies are read the same for every split")
    func splits() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            let values = (0..<5).map { _ in Self.randomValue(&random) }
            let bytes = values.flatMap { Self.encoded($0) }
            let (replies, isMalformed) = Self.read(bytes, &random)
            #expect(replies == values && !isMalformed, "seed \(seed)")
        }
    }

    @Test("garbage and damaged replies are refused or read, and the reader can be freed at any point")
    func garbage() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed: seed)
        for _ in 0..<3000 {
            var bytes = (0..<3).flatMap { _ in Self.encoded(Self.randomValue(&random)) }
            for _ in 0..<Int.random(in: 1..<5, using: &random) {
                let place = Int.random(in: bytes.indices, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.removeSubrange(place...)
                case _: bytes.insert(contentsOf: Array("*9\r\n$".utf8), at: place)
                }
                if bytes.isEmpty { bytes = [0x2A] }
            }
            _ = Self.read(bytes, &random)
        }
        #expect(Self.read(Array("HTTP/1.1 400 Bad Request\r\n".utf8), &random).isMalformed, "seed \(seed)")
    }

    @Test(
        "a reply that exceeds a limit is refused before it is complete",
        arguments: [
            ("$2000000\r\n", "a", 1_100_000), ("*1000000\r\n", ":1\r\n", 300_000),
            ("*\(RedisReader.elementsMax + 1)\r\n", "", 0), ("", "*1\r\n", 20),
        ])
    func limits(beginning: String, part: String, count: Int) {
        var random = SeededRandom(seed: 1)
        let text = beginning + String(repeating: part, count: count)
        let (replies, isMalformed) = Self.read(Array(text.utf8), &random)
        #expect(replies.isEmpty && isMalformed)
    }

    @Test("the limit is for one reply, not for the connection")
    func oneReply() {
        var random = SeededRandom(seed: 1)
        let bytes = [UInt8](repeating: 0x61, count: 600_000)
        let values = [RedisValue](repeating: .text(bytes), count: 4)
        let (replies, isMalformed) = Self.read(values.flatMap { Self.encoded($0) }, &random)
        #expect(replies == values && !isMalformed)
    }
}
