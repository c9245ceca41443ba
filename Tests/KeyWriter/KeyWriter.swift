import Adapters
import Domain
import Foundation
import Logging
import NIOPosix

/// Claims, sends and finishes the keys 1 to COUNT in a state file or in a Redis on this machine, until a test kills the
/// program.
///
///     KeyWriter PATH COUNT
///     KeyWriter redis:PORT COUNT
///
/// Each step that must not be lost is printed on standard output before the next one begins: `sent 7` when the key 7 could
/// be sent, `finished 7` when its outcome is recorded. A key that is not free is printed as `taken 7`, and a failure as
/// `failed 7`.
@main
enum KeyWriter {
    static func main() async throws {
        let (path, count) = (CommandLine.arguments[1], Int(CommandLine.arguments[2]) ?? 0)
        if let port = path.split(separator: ":").last.flatMap({ Int($0) }), path.hasPrefix("redis:") {
            return try await useRedis(port, count)
        }
        let store = try SQLiteIdempotencyStore(
            PrivateFile(path: path), window: .seconds(3600), logger: Logger(label: "key-writer"))
        try say("opened")
        for number in 1...count { try await write(number, to: store) }
        await store.close()
    }

    private static func useRedis(_ port: Int, _ count: Int) async throws {
        var logger = Logger(label: "key-writer")
        logger.logLevel = .critical
        let client = RedisClient(
            RedisConfiguration(addresses: [.init(host: "127.0.0.1", port: port)]), group: .singleton,
            time: SystemTime(), metrics: .none, logger: logger)
        let store = RedisIdempotencyStore(client, window: .seconds(3600), time: SystemTime(), logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await client.run() }
            tasks.addTask { try await store.run() }
            _ = await client.waitUntilConnected(within: .seconds(30))
            try say("opened")
            for number in 1...count { try await write(number, to: store) }
            tasks.cancelAll()
        }
    }

    private static func write(_ number: Int, to store: any IdempotencyStore) async throws {
        guard let caller = Name("writer"), let key = IdempotencyKey("\(number)"), let account = AccountID("account")
        else {
            preconditionFailure("a number is a key")
        }
        let request = KeyedRequest(
            operation: .updateBasePlan, account: account, digest: [UInt8](repeating: 7, count: 32))
        let now = Timestamp(secondsSinceEpoch: 1_800_000_000)
        do throws(BillingFailure) {
            let result = try await store.claim(
                CallerKey(caller: caller, master: nil, key: key), for: request, at: now)
            guard case .claimed(let claim) = result else { return try say("taken \(number)") }
            try await store.willSend(claim)
            try say("sent \(number)")
            try await store.finish(claim, with: .done(SourceDocument(text: Array("\(number)".utf8))), at: now)
            try say("finished \(number)")
        } catch {
            try say("failed \(number)")
        }
    }

    /// Writes to the descriptor at once, without a buffer.
    private static func say(_ line: String) throws(BillingFailure) {
        do {
            try FileHandle.standardOutput.write(contentsOf: Data("\(line)\n".utf8))
        } catch {
            throw .stateUnavailable
        }
    }
}
