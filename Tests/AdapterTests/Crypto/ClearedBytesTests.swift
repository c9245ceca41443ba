import Adapters
import Domain
import Foundation
import Testing

@Suite("Secrets in memory")
struct ClearedBytesTests {
    /// The number of copies of the marker in this process's writable memory. `hidden` is the marker with every byte
    /// changed, so that the search itself adds no copy.
    private static func places(of hidden: [UInt8], _ buffer: inout [UInt8]) throws -> Int {
        let maps = try String(contentsOfFile: "/proc/self/maps", encoding: .utf8)
        let memory = open("/proc/self/mem", O_RDONLY)
        try #require(memory >= 0)
        defer { close(memory) }
        var count = 0
        for line in maps.split(separator: "\n") where line.contains("rw-p") {
            guard let range = line.firstMatch(of: /^([0-9a-f]+)-([0-9a-f]+)/),
                let start = Int(range.output.1, radix: 16), let end = Int(range.output.2, radix: 16)
            else { continue }
            var offset = start
            while offset < end {
                let length = pread(memory, &buffer, min(buffer.count, end - offset), off_t(offset))
                if length <= 0 { break }
                count += Self.count(of: hidden, in: buffer[..<length])
                // Clear the buffer, so that the search does not find its own copies.
                for index in 0..<length { buffer[index] = 0 }
                if length == end - offset { break }
                offset += max(length - hidden.count, 1)
            }
        }
        return count
    }

    private static func count(of hidden: [UInt8], in bytes: ArraySlice<UInt8>) -> Int {
        var count = 0
        bytes.withUnsafeBufferPointer { bytes in
            guard bytes.count >= hidden.count else { return }
            for start in 0...bytes.count - hidden.count where bytes[start] ^ 0x55 == hidden[0] {
                if (1..<hidden.count).allSatisfy({ bytes[start + $0] ^ 0x55 == hidden[$0] }) { count += 1 }
            }
        }
        return count
    }

    /// `make test-asan` and `make test-tsan` set these variables.
    private static let isSanitized = ["ASAN_OPTIONS", "TSAN_OPTIONS"].contains {
        ProcessInfo.processInfo.environment[$0] != nil
    }

    @Test(
        "a secret is stored once and cleared when its last reference is released", .timeLimit(.minutes(10)),
        .enabled(if: !isSanitized, "a sanitizer reserves terabytes of memory, too much to search"))
    func cleared() async {
        await #expect(processExitsWith: .success) {
            let whole = (0..<256).map { _ in UInt8.random(in: 0...255) }
            // Not the beginning, which the allocator overwrites when the memory is freed.
            let hidden = Array(whole[200..<224])
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            do {
                // Written byte by byte into its final place, so that no other memory ever holds all of it.
                let secret = Secret(whole.lazy.map { $0 ^ 0x55 })
                let copies = [secret, secret]
                let held = try ClearedBytesTests.places(of: hidden, &buffer)
                #expect(held == 1)
                #expect(copies[0] == copies[1])
            }
            let left = try ClearedBytesTests.places(of: hidden, &buffer)
            #expect(left == 0)
        }
    }

    @Test(
        "two secrets are equal only if all bytes and the lengths are equal",
        arguments: [("", ""), ("a", "a"), ("a", "b"), ("a", "ab"), ("", "a")])
    func compared(left: String, right: String) {
        #expect((Secret(left) == Secret(right)) == (left == right))
    }
}
