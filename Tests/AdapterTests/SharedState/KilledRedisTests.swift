import Adapters
import Domain
import Foundation
import Testing

@Suite("Idempotency keys in Redis: killed processes", .timeLimit(.minutes(10)))
struct KilledRedisTests {
    private static func numbers(_ step: String, in outcome: TestProcess.Outcome) -> [Int] {
        outcome.lines.filter { $0.hasPrefix(step + " ") }.compactMap { Int($0.dropFirst(step.count + 1)) }
    }

    @Test(
        "of three replicas with one Redis, of which one is killed and Redis as well, each key is sent by one at most",
        arguments: ["everysec", "always"])
    func together(fsync: String) async throws {
        try await RedisServer.with(options: ["--appendonly", "yes", "--appendfsync", fsync]) { server in
            let count = 1500
            let writers = (0..<3).map { _ in
                TestProcess(TestProcess.product("KeyWriter"), ["redis:\(server.port)", "\(count)"])
            }
            _ = try await writers[0].output(containing: " 150\n")
            writers[0].signal(SIGKILL)
            _ = try await writers[1].output(containing: " 300\n")
            // While a sync takes longer than a second, Redis confirms writes that are not in its file.
            while await !server.run("INFO", "persistence").contains("aof_pending_bio_fsync:0") {
                try Task.checkCancellation()
            }
            await server.kill()
            try await server.start()
            var outcomes: [TestProcess.Outcome] = []
            for writer in writers { outcomes.append(await writer.outcome()) }
            #expect(outcomes[1].status == 0 && outcomes[2].status == 0, "\(outcomes[1].errors) \(outcomes[2].errors)")
            let sent = outcomes.flatMap { Self.numbers("sent", in: $0) }
            let finished = Set(outcomes.flatMap { Self.numbers("finished", in: $0) })
            #expect(Set(sent).count == sent.count, "sent twice")
            #expect(sent.count > 300)
            try await StoreKind.withRedis(server) { store in
                for number in Set(sent) {
                    let key = try CallerKey("\(number)", caller: "writer")
                    let state = try await store.state(of: key)
                    #expect(state != nil, "\(number) was sent and is free")
                    if finished.contains(number) {
                        #expect(state == .finished(.done(SourceDocument(text: Array("\(number)".utf8)))))
                    }
                }
            }
        }
    }
}
