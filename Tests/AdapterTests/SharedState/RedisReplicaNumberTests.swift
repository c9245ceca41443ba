import Adapters
import Domain
import DomainFakes
import Testing

@Suite("Numbers of replicas in Redis", .timeLimit(.minutes(10)))
struct RedisReplicaNumberTests {
    /// Runs the numbering of a replica during `test`.
    private static func with(
        _ server: RedisServer, _ clock: TestClock, _ test: (StreamMoments) async throws -> Void
    ) async throws {
        try await server.withClient { client in
            let moments = StreamMoments(isShared: true)
            let number = RedisReplicaNumber(client, moments, time: clock)
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await number.run() }
                while moments.replica == StreamMoments(isShared: true).replica {
                    try Task.checkCancellation()
                    await Task.yield()
                }
                try await test(moments)
                tasks.cancelAll()
            }
        }
    }

    @Test("Replicas have different numbers, and claim them again after Redis has lost its data")
    func claims() async throws {
        let clock = TestClock()
        try await RedisServer.with { server in
            try await Self.with(server, clock) { first in
                try await Self.with(server, clock) { second in
                    let numbers = [first.replica, second.replica]
                    #expect(numbers[0] != numbers[1])
                    for number in numbers {
                        let key = "billing:number:\(try #require(number.flatMap { Int($0) }))"
                        _ = await server.run("DEL", key)
                        while await server.run("EXISTS", key).contains("0") {
                            try Task.checkCancellation()
                            clock.advance(by: .seconds(10))
                        }
                        // Another replica has taken it.
                        _ = await server.run("SET", key, "another")
                    }
                    while numbers.contains(first.replica) || numbers.contains(second.replica) {
                        try Task.checkCancellation()
                        clock.advance(by: .seconds(10))
                        await Task.yield()
                    }
                }
            }
        }
    }
}
