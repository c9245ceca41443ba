import Adapters
import DomainFakes
import Testing

@Suite("Memory of nghttp2", .timeLimit(.minutes(10)))
struct SessionMemoryTests {
    /// A block with its content, which is a function of its number.
    private struct Block {
        var start: UnsafeMutableRawPointer
        var size: Int
        let number: UInt8

        func fill() {
            start.initializeMemory(as: UInt8.self, repeating: number, count: size)
        }

        func holds(_ count: Int) -> Bool {
            (0..<count).allSatisfy { start.load(fromByteOffset: $0, as: UInt8.self) == number }
        }
    }

    @Test("Blocks in use keep their content, whatever is allocated, resized and freed")
    func model() throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(seed: seed)
        let memory = SessionMemory()
        var blocks: [Block] = []
        func size() -> Int {
            Int.random(in: 0..<10, using: &random) == 0
                ? Int.random(in: 1000..<40_000, using: &random) : Int.random(in: 0..<1100, using: &random)
        }
        for step in 0..<20_000 {
            switch Int.random(in: 0..<5, using: &random) {
            case 0, 1:
                let size = size()
                let block = Block(start: try #require(memory.allocate(size)), size: size, number: UInt8(step & 0xFF))
                try #require(Int(bitPattern: block.start) % 16 == 0, "a block is not aligned, seed \(seed)")
                block.fill()
                blocks.append(block)
            case 2 where !blocks.isEmpty:
                let index = Int.random(in: blocks.indices, using: &random)
                let size = size()
                var block = blocks[index]
                block.start = try #require(memory.reallocate(block.start, size))
                try #require(block.holds(min(block.size, size)), "a resized block lost its content, seed \(seed)")
                block.size = size
                block.fill()
                blocks[index] = block
            case _ where !blocks.isEmpty:
                let block = blocks.remove(at: Int.random(in: blocks.indices, using: &random))
                try #require(block.holds(block.size), "a block was overwritten, seed \(seed)")
                memory.free(block.start)
            default: break
            }
        }
        for block in blocks {
            #expect(block.holds(block.size), "seed \(seed)")
            memory.free(block.start)
        }
    }

    @Test("A freed block is used again for a block of about the same size")
    func reuse() throws {
        let memory = SessionMemory()
        let first = try #require(memory.allocate(100))
        memory.free(first)
        #expect(memory.allocate(120) == first)
        memory.free(first)
        let other = try #require(memory.allocate(200))
        #expect(other != first)
        memory.free(other)
        let grown = try #require(memory.reallocate(nil, 60))
        #expect(memory.reallocate(grown, 64) == grown)
        memory.free(grown)
    }
}
