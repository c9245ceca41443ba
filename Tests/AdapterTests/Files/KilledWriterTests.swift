import Adapters
import Foundation
import Testing

@Suite("A private file", .timeLimit(.minutes(10)))
struct KilledWriterTests {
    @Test("is old or new, and whole, after its writer was killed at any instant: 500 times")
    func killed() async throws {
        var random = SystemRandomNumberGenerator()
        try await withTemporaryFolder { folder in
            let file = PrivateFile(path: folder + "/file")
            var whileWriting = 0
            for _ in 0..<500 {
                let writer = TestProcess(TestProcess.product("Writer"), [file.path])
                _ = try await writer.output(containing: "\n")
                // Busy, and not in a sleep that others could make longer: the instants are what matters.
                let delay = ContinuousClock.now + .microseconds(Int.random(in: 0..<3000, using: &random))
                while ContinuousClock.now < delay {}
                writer.signal(SIGKILL)
                let outcome = await writer.outcome()
                try #require(outcome.status == 128 + SIGKILL, "\(outcome.errors)")
                let lines = String(decoding: try file.read(), as: UTF8.self).split(separator: "\n")
                #expect(lines.count == 400 && Set(lines).count == 1, "torn: \(lines.count) lines of \(Set(lines))")
                // What it said it had written is there; of what it was writing, nobody can tell.
                let told = try #require(outcome.lines.last.flatMap { Int($0) })
                let found = try #require(lines.first.flatMap { Int($0) })
                #expect(found == told || found == told + 1)
                if FileManager.default.fileExists(atPath: folder + "/.file.new") { whileWriting += 1 }
            }
            #expect(whileWriting > 0, "no instant was one of writing: the test shows nothing")
            // What they left behind is in nobody's way.
            try file.update { _ in Array("new".utf8) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["file"])
        }
    }
}
