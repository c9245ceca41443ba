import Domain
import Synchronization

/// Whether Redis keeps what it has confirmed, by its own configuration. In a cluster, that of each node that has keys.
///
/// It does if each write is in its append-only file, synced, before it is confirmed, and if nothing is evicted. A user who
/// may not read the configuration cannot know that.
final class RedisDurability: Sendable {
    private struct Finding {
        let isDurable: Bool
        let connectionChanges: Int
        let checkedAt: Moment
    }

    /// How long a result counts. The configuration can be changed at any time.
    private static let interval = Duration.seconds(10)

    private static let callTime = Duration.seconds(1)

    /// The values that the promise needs.
    private static let required = [
        "appendonly": ["yes"], "appendfsync": ["always"], "no-appendfsync-on-rewrite": ["no"],
    ]

    private let client: RedisClient
    private let time: any TimeSource
    private let last = Mutex<Finding?>(nil)

    init(_ client: RedisClient, time: any TimeSource) {
        self.client = client
        self.time = time
    }

    /// Reads the configuration after each connection, and every ten seconds.
    var isDurable: Bool {
        get async {
            guard client.isConnected else { return false }
            let connectionChanges = client.connectionChanges
            if let finding = last.withLock({ $0 }), finding.connectionChanges == connectionChanges,
                time.now - finding.checkedAt < Self.interval
            {
                return finding.isDurable
            }
            let isDurable = await check()
            last.withLock {
                $0 = Finding(
                    isDurable: isDurable, connectionChanges: connectionChanges, checkedAt: time.now)
            }
            return isDurable
        }
    }

    private func check() async -> Bool {
        let names = Array(Self.required.keys) + ["maxmemory", "maxmemory-policy"]
        let commands = names.map { RedisCommand("CONFIG", "GET", $0) }
        guard let replies = try? await client.callEachServer(commands, within: Self.callTime) else { return false }
        return !replies.isEmpty && replies.allSatisfy { Self.isDurable(names, $0) }
    }

    /// - Parameter replies: The values of the parameters of one server.
    private static func isDurable(_ names: [String], _ replies: [RedisValue]) -> Bool {
        var values: [String: String] = [:]
        for (name, reply) in zip(names, replies) {
            guard let pair = reply.elements, pair.count == 2, let value = pair[1].string else { return false }
            values[name] = value
        }
        let isSynced = required.allSatisfy { name, allowed in values[name].map { allowed.contains($0) } ?? false }
        return isSynced && (values["maxmemory"] == "0" || values["maxmemory-policy"] == "noeviction")
    }
}
