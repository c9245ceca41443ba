import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

@Suite("State file: killed processes", .timeLimit(.minutes(10)))
struct KilledKeyWriterTests {
    private static func state(_ number: Int, in store: SQLiteIdempotencyStore) async throws -> KeyRecord.State? {
        try await store.state(of: CallerKey("\(number)", caller: "writer"))
    }

    private static func numbers(_ step: String, in outcome: TestProcess.Outcome) -> [Int] {
        outcome.lines.filter { $0.hasPrefix(step + " ") }.compactMap { Int($0.dropFirst(step.count + 1)) }
    }

    @Test("after kill -9 no key that was sent is free, and every recorded outcome is there (200 times)")
    func killed() async throws {
        var random = SystemRandomNumberGenerator()
        var whileSending = 0
        for _ in 0..<200 {
            try await withTemporaryFolder { folder in
                let path = folder + "/state.db"
                let writer = TestProcess(TestProcess.product("KeyWriter"), [path, "1000000"])
                // Some instants follow a step of the program, since a busy machine may not let it make one for a while.
                let step = Int.random(in: 0...3, using: &random)
                _ = try await writer.output(containing: step == 0 ? "opened\n" : "sent \(step)\n")
                // A busy wait, since a sleep could take longer than the delay.
                let delay = ContinuousClock.now + .microseconds(Int.random(in: 0..<20_000, using: &random))
                while ContinuousClock.now < delay {}
                writer.signal(SIGKILL)
                let outcome = await writer.outcome()
                try #require(outcome.status == 128 + SIGKILL, "\(outcome.errors)")
                let (sent, finished) = (Self.numbers("sent", in: outcome), Self.numbers("finished", in: outcome))
                #expect(Self.numbers("failed", in: outcome).isEmpty && Self.numbers("taken", in: outcome).isEmpty)
                try await StoreKind.withSQLite(path) { store in
                    for number in finished {
                        let document = SourceDocument(text: Array("\(number)".utf8))
                        #expect(try await Self.state(number, in: store) == .finished(.done(document)))
                    }
                    for number in Set(sent).subtracting(finished) {
                        let state = try await Self.state(number, in: store)
                        if state == .unknown { whileSending += 1 }
                        let document = SourceDocument(text: Array("\(number)".utf8))
                        #expect(state == .unknown || state == .finished(.done(document)), "\(number)")
                    }
                    // A later key was not sent, or the process was killed before it could report it.
                    let next = (sent.max() ?? 0) + 1
                    #expect([nil, .unknown].contains(try await Self.state(next, in: store)))
                    #expect(try await Self.state(next + 1, in: store) == nil)
                }
                #expect(await SharedStateTests.query(path, "PRAGMA integrity_check") == "ok")
            }
        }
        #expect(whileSending > 0, "no instant was one of sending: the test shows nothing")
    }

    @Test("of three processes with one file, of which one is killed, each key is sent by one at most")
    func together() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/state.db"
            let writers = (0..<3).map { _ in TestProcess(TestProcess.product("KeyWriter"), [path, "400"]) }
            _ = try await writers[0].output(containing: " 50\n")
            writers[0].signal(SIGKILL)
            var outcomes: [TestProcess.Outcome] = []
            for writer in writers { outcomes.append(await writer.outcome()) }
            #expect(outcomes[1].status == 0 && outcomes[2].status == 0, "\(outcomes[1].errors) \(outcomes[2].errors)")
            let sent = outcomes.flatMap { Self.numbers("sent", in: $0) }
            #expect(Set(sent).count == sent.count, "sent twice")
            #expect(outcomes.allSatisfy { Self.numbers("failed", in: $0).isEmpty })
            // The killed process may have kept one key from being sent.
            #expect(sent.count >= 399)
            try await StoreKind.withSQLite(path) { store in
                for number in 1...400 {
                    let state = try await Self.state(number, in: store)
                    #expect(state != .running)
                    if sent.contains(number) { #expect(state != nil) }
                }
            }
        }
    }

    @Test("a write costs two syncs of the disk", .enabled(if: hasStrace, "strace is missing"))
    func syncs() async throws {
        try await withTemporaryFolder { folder in
            func count(_ writes: Int) async throws -> Int {
                let log = folder + "/trace-\(writes)"
                let outcome = await TestProcess.run(
                    "strace",
                    [
                        "--follow-forks", "--trace=fsync,fdatasync", "--output=\(log)",
                        TestProcess.product("KeyWriter"),
                        folder + "/state-\(writes)", "\(writes)",
                    ])
                #expect(outcome.status == 0, "\(outcome.errors)")
                let text = try String(contentsOfFile: log, encoding: .utf8)
                return text.split(separator: "\n").count { $0.contains(/f(data)?sync\(/) && !$0.contains("resumed") }
            }
            // Without those of opening and closing the file.
            let (few, many) = try await (count(10), count(110))
            // And three for each checkpoint of the log, which 1,000 pages cause.
            #expect((200...206).contains(many - few), "\(many) - \(few)")
        }
    }

    private static let hasStrace = FileManager.default.isExecutableFile(atPath: "/usr/bin/strace")
}
