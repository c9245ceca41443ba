package import Domain
import ServiceLifecycle
import Synchronization

/// The ledgers of the rate limits that replicas share, in Redis: one hash for each rate limit, and a sorted set of the replicas
/// that run.
package final class RedisSharedRates: SharedRates, Service {
    private let client: RedisClient
    private let time: any TimeSource
    private let script: RedisScript

    /// Identifies this process. Exact in a floating-point number, which the script has.
    private let replica = Int64.random(in: 1..<1 << 52)
    private let count = Mutex<Int?>(nil)

    private static let interval = Duration.seconds(1)

    /// How long a replica counts as running after its last sign of life.
    private static let lifetime = Duration.seconds(3)
    private static let replyTime = Duration.seconds(1)

    package init(_ client: RedisClient, time: any TimeSource) {
        self.client = client
        self.time = time
        script = SlotLedgerScript.script()
    }

    package var replicas: Int? { count.withLock { $0 } }

    package func take(
        _ request: SlotRequest, of limit: SharedLimit, _ rules: SlotLedger.Rules, within replyTime: Duration
    ) async throws(BillingFailure) -> SlotReply {
        let key = client.configuration.key("slots", "{\(limit.master):\(limit.label)}")
        do throws(RedisFailure) {
            let value = try await client.run(
                script, keys: [key], arguments: Self.arguments(request, replica, rules), within: replyTime)
            guard let reply = SlotReply(value) else { throw .unexpectedReply }
            return reply
        } catch {
            throw error == .cancelled ? .cancelled : .stateUnavailable
        }
    }

    /// The arguments of `SlotLedgerScript`.
    package static func arguments(
        _ request: SlotRequest, _ replica: Int64, _ rules: SlotLedger.Rules
    ) -> [[UInt8]] {
        let numbers: [Int64] = [
            replica, rules.rate, rules.perDay, rules.dayReserve, rules.bulkEvery, Int64(request.callers),
            Int64(request.bulk), request.expires, request.serialSeen, request.replicas, request.isDoubtful ? 1 : 0,
            request.isReturning ? 1 : 0, request.day, request.spentSeen, request.unshared, request.unused,
            request.isRefused ? 1 : 0, request.blockedFor, request.exhaustedFor,
        ]
        return numbers.map { Array("\($0)".utf8) }
    }

    // MARK: The replicas that run

    /// Counts this replica, and reads their number, once a second until the service shuts down.
    package func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            while !Task.isCancelled {
                await showLife()
                try? await time.sleep(until: time.now + Self.interval)
            }
        }
        // The others need not wait until it expires.
        _ = try? await client.call(
            RedisCommand("ZREM", [membersKey, Array("\(replica)".utf8)]), within: Self.replyTime)
    }

    /// Counts this replica as running, and reads how many run.
    package func showLife() async {
        let milliseconds = Self.lifetime.components.seconds * 1000
        guard
            let value = try? await client.run(
                Self.members, keys: [membersKey],
                arguments: ["\(replica)", "\(milliseconds)"].map { Array($0.utf8) }, within: Self.replyTime),
            let number = value.integer
        else { return }
        count.withLock { $0 = max(Int(number), 1) }
    }

    private var membersKey: [UInt8] { client.configuration.key("replicas") }

    private static let members = RedisScript(
        name: "replicas",
        source: """
            local t = redis.call('TIME')
            local now = t[1] * 1000 + math.floor(t[2] / 1000)
            redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
            redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
            redis.call('PEXPIRE', KEYS[1], 60000)
            return redis.call('ZCARD', KEYS[1])
            """)
}

extension SlotReply {
    /// Reads the reply of `SlotLedgerScript`.
    package init?(_ value: RedisValue) {
        guard let elements = value.elements, elements.count == 8 else { return nil }
        let numbers = elements.dropLast().compactMap(\.integer)
        guard numbers.count == 7, let slots = elements[7].elements?.map(\.integer) else { return nil }
        let times = slots.compactMap(\.self)
        guard times.count == slots.count else { return nil }
        self.init(
            now: numbers[0], server: numbers[1], slots: times, retryAfter: numbers[2], serial: numbers[3],
            day: numbers[4], spent: numbers[5], exhaustedFor: numbers[6])
    }
}
