import Adapters
import Foundation
import Testing

@Suite("Private file: killed writers", .timeLimit(.minutes(10)))
struct KilledWriterTests {
    @Test("after its writer was killed, the file is complete and either old or new (500 times)")
    func killed() async throws {
        var random = SystemRandomNumberGenerator()
        try await withTemporaryFolder { folder in
            let file = PrivateFile(path: folder + "/file")
            var whileWriting = 0
            for _ in 0..<500 {
                let writer = TestProcess(TestProcess.product("Writer"), [file.path])
                _ = try await writer.output(containing: "\n")
                // A busy wait, since a sleep could take longer than the delay.
                let delay = ContinuousClock.now + .microseconds(Int.random(in: 0..<3000, using: &random))
                while ContinuousClock.now < delay {}
                writer.signal(SIGKILL)
                let outcome = await writer.outcome()
                try #require(outcome.status == 128 + SIGKILL, "\(outcome.errors)")
                let lines = String(decoding: try file.read(), as: UTF8.self).split(separator: "\n")
                #expect(lines.count == 400 && Set(lines).count == 1, "torn: \(lines.count) lines of \(Set(lines))")
                // The last write that the writer reported is there, or the one after it.
                let reported = try #require(outcome.lines.last.flatMap { Int($0) })
                let found = try #require(lines.first.flatMap { Int($0) })
                #expect(found == reported || found == reported + 1)
                if FileManager.default.fileExists(atPath: folder + "/.file.new") { whileWriting += 1 }
            }
            #expect(whileWriting > 0, "no instant was one of writing: the test shows nothing")
            // The temporary file that a killed writer left does not prevent an update.
            try file.update { _ in Array("new".utf8) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["file"])
        }
    }
}
