package import Domain
import Synchronization

/// The answers that replicas share, in Redis.
package final class RedisAnswers: SharedAnswers {
    /// Identifies the master accounts and their Zoom: the replicas whose text is the same share answers.
    package struct Sources: Sendable {
        /// `nil` if there is no such master account, or if there are several to choose from.
        let one: @Sendable (Name?) -> String?
        let all: @Sendable () -> [String]

        package init(one: @escaping @Sendable (Name?) -> String?, all: @escaping @Sendable () -> [String]) {
            self.one = one
            self.all = all
        }
    }

    private let client: RedisClient
    private let source: Sources
    private let keys: SealingKeys
    private let value: Mutex<SharedAnswerValue?>
    private let names = Mutex<[String: String]>([:])

    /// Names this process in claims and messages.
    private let replica = RandomToken.make()

    /// A version outlives every answer that was stored before it.
    private static let versionTime = Duration.seconds(7 * 86_400)

    /// After this time, a change that has begun counts as ended: its replica was killed.
    private static let changeTime = Duration.seconds(120)

    /// - Parameter keys: Answers are shared only while they can be read.
    package init(_ client: RedisClient, keys: SealingKeys, sources: Sources) {
        self.client = client
        source = sources
        self.keys = keys
        value = Mutex(Self.read(keys))
    }

    private static func read(_ keys: SealingKeys) -> SharedAnswerValue? {
        (try? keys.read()).map { SharedAnswerValue(keys: $0) }
    }

    /// Reads the file of keys again, which may have a new key. Blocks.
    package func readKeys() {
        guard let read = Self.read(keys) else { return }
        value.withLock { $0 = read }
    }

    private var prefix: String { client.configuration.keyPrefix }
    /// The channel of the changes, for a `RedisSubscription`.
    package var channel: [UInt8] { Array((prefix + ":answers").utf8) }

    // MARK: Keys

    /// A short name of the source, for keys.
    private func name(of source: String) -> String {
        names.withLock { names in
            if let name = names[source] { return name }
            let name = String(SHA256Digest(of: source).hexadecimal.prefix(8))
            names[source] = name
            return name
        }
    }

    /// `nil` if the answer cannot be shared.
    private func keys(_ read: AccountRead, _ master: Name?) -> SharedAnswerKeys? {
        source.one(master).map { SharedAnswerKeys(read, prefix: prefix, source: name(of: $0)) }
    }

    /// What is found without a master account.
    private static let unshared = SharedPlace(version: [], sinceChange: nil, isChanging: true, time: 0)

    private static func text(_ number: some BinaryInteger) -> [UInt8] { Array(String(number).utf8) }

    private static func text(_ duration: Duration) -> [UInt8] { text(milliseconds(duration)) }

    private static func milliseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// Calls Redis.
    private func call<Result>(
        _ body: () async throws(RedisFailure) -> Result
    ) async throws(SharedAnswersFailure) -> Result {
        do throws(RedisFailure) {
            return try await body()
        } catch {
            throw SharedAnswersFailure()
        }
    }

    // MARK: Searching

    package func find(
        _ read: AccountRead, under master: Name?, _ wanted: WantedAnswer, within limit: Duration
    ) async throws(SharedAnswersFailure) -> SharedFinding {
        guard let keys = keys(read, master) else { return .absent(Self.unshared) }
        let claim = (wanted.claim?.isUrgent == true ? "1" : "0") + replica
        let arguments =
            [wanted.ageMax, wanted.remaining, wanted.lifetimeParts].map { Self.text($0) }
            + [
                wanted.claim.map { Self.text($0.lifetime) } ?? Self.text(0), Array(claim.utf8),
                Self.text(Self.changeTime),
            ]
        let reply = try await call { () async throws(RedisFailure) in
            try await client.run(
                .findAnswer, keys: [keys.answer, keys.version, keys.claim], arguments: arguments, within: limit)
        }
        guard let parts = reply.elements, parts.count == 4, let version = parts[2].bytes, let now = parts[3].integer
        else { throw SharedAnswersFailure() }
        let place = Self.place(version, now: now)
        switch parts[0].integer {
        case 1:
            let value = value.withLock { $0 }
            guard let bytes = parts[1].bytes, let answer = value?.answer(bytes, key: keys.answer, now: now) else {
                return .absent(place)
            }
            return .answer(answer, place)
        case 2: return .claimed(place)
        case _: return .absent(place)
        }
    }

    private static func place(_ version: [UInt8], now: Int64) -> SharedPlace {
        let time = Int64(String(decoding: version.dropFirst(), as: UTF8.self))
        let since = time.map { Duration.milliseconds(max(now - $0 / 1000, 0)) }
        return SharedPlace(
            version: version, sinceChange: since,
            isChanging: version.first == UInt8(ascii: "c") && since.map { $0 < changeTime } ?? true, time: now)
    }

    package func find(
        _ reads: [AccountRead], under master: Name?, within limit: Duration
    ) async throws(SharedAnswersFailure) -> [SharedAnswer?] {
        guard let source = source.one(master).map(name) else { return reads.map { _ in nil } }
        var places: [[Int]] = Array(repeating: [], count: SharedAnswerKeys.tags)
        let keys = reads.enumerated().map { index, read in
            let keys = SharedAnswerKeys(read, prefix: prefix, source: source)
            places[keys.tag].append(index)
            return keys.answer
        }
        let groups = places.filter { !$0.isEmpty }
        // Each node of a cluster has its own clock.
        let isCluster = client.isCluster
        let clocks = isCluster ? groups : Array(groups.prefix(1))
        let commands =
            clocks.map { RedisCommand("TIME", besideKey: keys[$0[0]]) }
            + groups.map { group in RedisCommand("MGET", group.map { keys[$0] }) }
        let replies = try await call { () async throws(RedisFailure) in
            try await client.call(commands, within: limit)
        }
        let times = replies.prefix(clocks.count).map(\.milliseconds)
        let value = value.withLock { $0 }
        var answers: [SharedAnswer?] = Array(repeating: nil, count: reads.count)
        for (index, (group, reply)) in zip(groups, replies.dropFirst(clocks.count)).enumerated() {
            // One node of a cluster may be away. Its answers are missing.
            if isCluster, case .error = reply { continue }
            guard let values = reply.elements, values.count == group.count,
                let now = times[min(index, times.count - 1)]
            else { throw SharedAnswersFailure() }
            for (index, element) in zip(group, values) {
                answers[index] = element.bytes.flatMap { value?.answer($0, key: keys[index], now: now) }
            }
        }
        return answers
    }

    // MARK: Storing

    package func put(
        _ answer: SharedAnswer, to read: AccountRead, under master: Name?, _ place: SharedPlace,
        timeToLive: Duration, within limit: Duration
    ) async throws(SharedAnswersFailure) {
        guard let keys = keys(read, master) else { return }
        let key = keys.answer
        guard let bytes = value.withLock({ $0 })?.bytes(answer, key: key), timeToLive > .milliseconds(1) else {
            return try await release(read, under: master, within: limit)
        }
        let arguments =
            [place.version, Self.text(place.time - Self.milliseconds(answer.age))]
            + [answer.lifetime, timeToLive].map { Self.text($0) }
            + [bytes, Array(replica.utf8), Self.text(keys.hasParameter ? 1 : 0)]
        _ = try await call { () async throws(RedisFailure) in
            try await client.run(
                .putAnswer, keys: [key, keys.version, keys.claim, keys.index], arguments: arguments, within: limit)
        }
    }

    package func release(
        _ read: AccountRead, under master: Name?, within limit: Duration
    ) async throws(SharedAnswersFailure) {
        guard let keys = keys(read, master) else { return }
        _ = try await call { () async throws(RedisFailure) in
            try await client.run(
                .releaseClaim, keys: [keys.claim], arguments: [Array(replica.utf8)], within: limit)
        }
    }

    // MARK: Changes

    package func record(
        _ change: SharedChange, within limit: Duration
    ) async throws(SharedAnswersFailure) {
        for source in source.all().map(name) {
            let keys = change.operations.flatMap { operation -> [[UInt8]] in
                let keys = SharedAnswerKeys(operation, of: change.account, prefix: prefix, source: source)
                return [keys.version, keys.answer, keys.index]
            }
            let arguments = [
                Array((change.phase == .began ? "c" : "v").utf8), Self.text(Self.versionTime), channel,
                Array(message(change).utf8),
            ]
            _ = try await call { () async throws(RedisFailure) in
                try await client.run(.changeAnswers, keys: keys, arguments: arguments, within: limit)
            }
        }
    }

    /// The name of this replica, the phase, the operations and the account, separated by spaces.
    private func message(_ change: SharedChange) -> String {
        let operations = change.operations.map(\.code).joined(separator: ",")
        return "\(replica) \(change.phase == .began ? "c" : "v") \(operations) \(change.account)"
    }

    /// The change of another replica; `nil` for a message of this replica, or of an unknown form.
    private func change(_ message: [UInt8]) -> SharedChange? {
        let parts = String(decoding: message, as: UTF8.self).split(separator: " ")
        guard parts.count == 4, parts[0] != replica, let account = AccountID(String(parts[3])) else { return nil }
        return SharedChange(
            account: account, operations: parts[2].split(separator: ",").compactMap { Operation(code: $0) },
            phase: parts[1] == "c" ? .began : .ended)
    }

    /// What an event of the subscription to `channel` means; `nil` for nothing.
    package func event(_ event: RedisSubscription.Event) -> SharedAnswersEvent? {
        switch event {
        case .connected: .connected
        case .lost: .lost
        case .message(_, let payload): payload.bytes.flatMap(change).map { .changed($0) }
        }
    }
}
