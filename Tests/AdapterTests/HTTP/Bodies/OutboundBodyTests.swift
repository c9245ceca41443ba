import Adapters
import DomainFakes
import NIOCore
import Testing

@Suite("Outbound body")
struct OutboundBodyTests {
    /// Random bytes, eight for each random number.
    private static func bytes(_ count: Int, _ random: inout SeededRandom) -> ByteBuffer {
        var buffer = ByteBuffer()
        for _ in 0..<(count + 7) / 8 { buffer.writeInteger(random.next()) }
        return buffer.readSlice(length: count) ?? buffer
    }

    /// A size as pieces of bodies have it: lines, blocks of lines, or runs of a page.
    private static func size(_ random: inout SeededRandom) -> Int {
        switch Int.random(in: 0..<10, using: &random) {
        case 0: 0
        case 1..<6: Int.random(in: 1...400, using: &random)
        case 6, 7: Int.random(in: 1000...5000, using: &random)
        default: Int.random(in: 5000...70_000, using: &random)
        }
    }

    @Test("random appends and sends give the bytes of a plain array, in its order", arguments: 0..<60 as Range<UInt64>)
    func model(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var body = OutboundBody()
        var expected: [UInt8] = []
        var sent = 0
        // Buffers share their storage with the cache, so that storage must never change.
        let page = Self.bytes(70_000, &random)
        let pageBefore = Array(page.readableBytesView)
        for _ in 0..<200 {
            if Int.random(in: 0..<2, using: &random) == 0 {
                let count = Self.size(&random)
                let isOfPage = Bool.random(using: &random)
                let start = Int.random(in: 0...(70_000 - count), using: &random)
                let piece =
                    isOfPage
                    ? page.getSlice(at: start, length: count) ?? ByteBuffer()
                    : Self.bytes(count, &random)
                body.append(piece)
                expected += Array(piece.readableBytesView)
            } else {
                let limit = 1 + Self.size(&random)
                let next = body.next(limit: limit)
                let available = min(limit, expected.count - sent)
                guard available > 0 else {
                    #expect(next == .nothingYet)
                    continue
                }
                #expect(next == .bytes(available, isLast: false))
                var received: [UInt8] = []
                _ = body.send(available, lowWaterBytes: 0) { received += Array($0.readableBytesView) }
                #expect(received.elementsEqual(expected[sent..<sent + available]), "seed \(seed)")
                sent += available
            }
            #expect(body.readyBytes == expected.count - sent && body.sentBytes == sent)
        }
        body.end(.complete)
        var received: [UInt8] = []
        let left = expected.count - sent
        #expect(body.next(limit: .max) == .bytes(left, isLast: true))
        _ = body.send(left, lowWaterBytes: 0) { received += Array($0.readableBytesView) }
        #expect(received.elementsEqual(expected[sent...]), "seed \(seed)")
        #expect(Array(page.readableBytesView) == pageBefore)
    }

    @Test("a large buffer is sent in its own storage, without a copy")
    func reference() {
        let page = ByteBuffer(repeating: 0x61, count: 40_000)
        func address(of bytes: ByteBuffer) -> UInt {
            bytes.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
        }
        var body = OutboundBody()
        body.append(ByteBuffer(string: "begin\n"))
        body.append(page)
        var addresses: [UInt] = []
        for count in [6, 16_384, 16_384] {
            _ = body.send(count, lowWaterBytes: 0) { addresses.append(address(of: $0)) }
        }
        #expect(addresses.dropFirst() == [address(of: page), address(of: page) + 16_384])
    }

    @Test("small buffers are combined, so that a body of short lines does not become a write for each line")
    func combined() {
        var body = OutboundBody()
        for _ in 0..<300 { body.append(ByteBuffer(repeating: 0x61, count: 100)) }
        var sizes: [Int] = []
        _ = body.send(30_000, lowWaterBytes: 0) { sizes.append($0.readableBytes) }
        #expect(sizes.reduce(0, +) == 30_000 && sizes.count <= 4, "\(sizes)")
    }

    @Test("the suspended producer is returned when the buffered bytes are down to the low-water mark")
    func producer() async {
        let resumed = await withCheckedContinuation { continuation in
            var body = OutboundBody()
            body.suspend(OutboundBody.Waiter(continuation), with: ByteBuffer(repeating: 0x61, count: 100_000))
            let early = body.send(60_000, lowWaterBytes: 32_768) { _ in }
            let producer = body.send(10_000, lowWaterBytes: 32_768) { _ in }
            let again = body.close()
            #expect(early == nil && producer != nil && again == nil && body.readyBytes == 0)
            producer?.resume(returning: true)
        }
        #expect(resumed)
    }
}
