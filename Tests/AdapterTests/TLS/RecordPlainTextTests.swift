import Adapters
import DomainFakes
import NIOCore
import Testing

@Suite("Plain text of TLS records")
struct RecordPlainTextTests {
    @Test(
        "between two flushes every record but the last is full, and the records have the written bytes in order",
        arguments: 0..<100 as Range<UInt64>)
    func records(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var plain = RecordPlainText()
        // A slice of it is much faster than new bytes in a debug build.
        let pattern = (0..<70_256).map { UInt8(truncatingIfNeeded: $0) }
        for _ in 0..<20 {
            var written: [UInt8] = []
            var records: [[UInt8]] = []
            let encrypt = { (record: ByteBuffer) in
                records.append(record.getBytes(at: record.readerIndex, length: record.readableBytes) ?? [])
                return true
            }
            for _ in 0..<Int.random(in: 0..<8, using: &random) {
                let isFrameHeader = Bool.random(using: &random)
                let count = isFrameHeader ? 9 : Int.random(in: 0..<70_000, using: &random)
                let start = written.count % 256
                let bytes = Array(pattern[start..<start + count])
                written += bytes
                let isTaken = plain.append(ByteBuffer(bytes: bytes), encrypt)
                #expect(isTaken)
            }
            let isFinished = plain.finish(encrypt)
            #expect(isFinished)
            #expect(records.reduce(into: []) { $0 += $1 } == written, "seed \(seed)")
            #expect(records.dropLast().allSatisfy { $0.count == RecordPlainText.recordBytesMax }, "seed \(seed)")
            #expect(records.last.map { (1...RecordPlainText.recordBytesMax).contains($0.count) } != false)
        }
    }

    @Test("a buffer that was written is never changed")
    func unchanged() {
        let page = ByteBuffer(repeating: 0x61, count: 1000)
        // Shares the storage of `page`, with room behind it.
        var shared = page
        shared.writeRepeatingByte(0x62, count: 10)
        var plain = RecordPlainText()
        var record = ByteBuffer()
        _ = plain.append(shared) { _ in true }
        _ = plain.append(ByteBuffer(repeating: 0x63, count: 500)) { _ in true }
        _ = plain.finish { bytes in
            record = bytes
            return true
        }
        #expect(record.readableBytes == 1510)
        #expect(Array(shared.readableBytesView.suffix(10)) == Array(repeating: 0x62, count: 10))
        #expect(page.readableBytes == 1000 && page.readableBytesView.allSatisfy { $0 == 0x61 })
    }

    @Test("a failed encryption is reported, and nothing more is encrypted")
    func failed() {
        var plain = RecordPlainText()
        var calls = 0
        let isTaken = plain.append(ByteBuffer(repeating: 0x61, count: 100_000)) { _ in
            calls += 1
            return false
        }
        #expect(!isTaken && calls == 1)
    }
}
