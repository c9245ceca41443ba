import Adapters
import Domain
import Logging
import Metrics
import NIOPosix
import ServiceLifecycle

/// Stores a contact of about 230 bytes of JSON in Redis for each account of a list, as a replica of the service does.
struct SharedFill {
    let port: Int

    /// Identifies the master account and its Zoom, as the replicas that will read the answers do.
    let source: String

    private static let inFlight = 64
    private static let lifetime = Duration.seconds(86_400)

    /// - Parameter accounts: The ids, one on each line.
    func run(_ accounts: [AccountID], _ codec: any AnswerCodec) async throws {
        var logger = Logger(label: "fill")
        logger.logLevel = .warning
        let client = RedisClient(
            RedisConfiguration(addresses: [.init(host: "127.0.0.1", port: port)]), group: .singleton,
            time: SystemTime(), metrics: NOOPMetricsHandler.instance, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await client.run() }
            guard await client.waitUntilConnected(within: .seconds(10)) else { throw RedisFailure.unavailable }
            let answers = RedisAnswers(
                client, keys: .none, sources: .init(one: { [source] _ in source }, all: { [source] in [source] }))
            try await store(accounts, codec, answers)
            await client.close()
            try await tasks.waitForAll()
        }
    }

    private func store(_ accounts: [AccountID], _ codec: any AnswerCodec, _ answers: RedisAnswers) async throws {
        let place = SharedPlace(
            version: [], sinceChange: nil, isChanging: false, time: SystemTime().millisecondsSinceEpoch)
        let now = SystemTime().timestamp
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for first in 0..<Self.inFlight {
                tasks.addTask {
                    for index in stride(from: first, to: accounts.count, by: Self.inFlight) {
                        let read = AccountRead.billingInformation(of: accounts[index])
                        let contact = BillingContact(reading: { "\($0) of account \(index)" })
                        let encoded = codec.encode(.success(.contact(contact)), to: read, asOf: now)
                        try await answers.put(
                            SharedAnswer(encoded, .answer, age: .zero, lifetime: Self.lifetime), to: read,
                            under: nil, place, timeToLive: Self.lifetime, within: .seconds(30))
                    }
                }
            }
            try await tasks.waitForAll()
        }
    }
}
