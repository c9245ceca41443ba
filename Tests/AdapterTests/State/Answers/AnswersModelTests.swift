import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

/// Random changes, removals, failures and restarts, compared with a dictionary.
@Suite("Answers file: model", .timeLimit(.minutes(10)))
struct AnswersModelTests {
    @Test("what was written before a restart is there afterwards", arguments: [false, true])
    func model(isSealed: Bool) async throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let keyFile = PrivateFile(path: folder + "/keys")
            if isSealed { _ = try SealingKeys.add(to: keyFile) }
            let keys: SealingKeys = isSealed ? .file(keyFile) : .none
            let clock = SetClock()
            var run = StoreRun(path, keys: keys, clock: clock)
            run.settle()
            var written: [Int64: [String: FakePages.Answer]] = [:]
            for round in 0..<2000 {
                let comment: Comment = "seed \(seed), round \(round)"
                let number = Int64.random(in: 1...120, using: &random)
                switch Int.random(in: 0..<100, using: &random) {
                case 0..<60:
                    let answers = (0..<Int.random(in: 1...5, using: &random)).map { index in
                        (
                            "a\(number).\(index)",
                            FakePages.Answer(
                                time: clock.millisecondsSinceEpoch,
                                value: String(repeating: "\(round)", count: Int.random(in: 1...3000, using: &random)))
                        )
                    }
                    run.pages.put(
                        number, Dictionary(uniqueKeysWithValues: answers), usedAt: Int64(round))
                case 60..<75: run.pages.remove(number)
                case 75..<80: run.pages.use(number, at: Int64(round))
                case 80..<90:
                    run.write()
                    written = run.pages.pages
                case 90..<92 where isSealed: _ = try SealingKeys.add(to: keyFile)
                case 92..<94:
                    // The file is lost.
                    for suffix in ["", "-wal", "-shm"] { unlink(path + "-answers" + suffix) }
                    run.write()
                case 94..<96:
                    // All is old, except for what follows.
                    run.settle(after: .seconds(100_000))
                    run.settle(after: .seconds(3600))
                    run.settle(after: .seconds(3600))
                    #expect(run.pages.pages.isEmpty, comment)
                    written = [:]
                case 96..<98:
                    run.close()
                    written = run.pages.pages
                    run = StoreRun(path, keys: keys, clock: clock)
                    run.settle()
                    #expect(run.pages.pages == written, comment)
                default:
                    // A copy of the files is what a crash leaves.
                    run.write()
                    run.write()
                    written = run.pages.pages
                    let copy = folder + "/copy"
                    for suffix in ["-answers", "-answers-wal"] {
                        try? FileManager.default.removeItem(atPath: copy + suffix)
                        try? FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix)
                    }
                    let restarted = StoreRun(copy, keys: keys, clock: clock)
                    restarted.settle()
                    #expect(restarted.pages.pages == written, comment)
                    restarted.close()
                }
            }
            run.close()
            let files = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(!files.contains { $0.contains("set-aside") }, "seed \(seed)")
        }
    }
}
