package import Domain
import Synchronization

/// The account lists that replicas share, in Redis. A list is stored in parts, so that reading a large one does not delay other
/// commands.
package final class RedisAccountLists: SharedAccountLists {
    private static let partBytes = 64 * 1024

    /// Parts in one write: a quarter of a megabyte takes some 2 ms on a network with 1 Gbit/s.
    private static let partsInFlight = 4

    /// The most bytes of a list: ten million ids of 32 characters, and 64 MiB of records.
    private static let bytesMax = 512 << 20

    private static let callTime = Duration.seconds(1)

    /// How much longer the parts are stored than their head, so that a reader of the head finds them.
    private static let readTime = Duration.seconds(60)

    /// How long the parts of a list are stored after another one has replaced it.
    private static let replacedTime = Duration.seconds(10)

    private let client: RedisClient
    private let source: RedisAnswers.Sources
    private let keys: SealingKeys
    private let current: Mutex<[SealingKey]?>

    /// Names this process in claims.
    private let replica = Array(RandomToken.make().utf8)

    /// - Parameter keys: Lists are shared only while they can be read.
    package init(_ client: RedisClient, keys: SealingKeys, sources: RedisAnswers.Sources) {
        self.client = client
        self.keys = keys
        source = sources
        current = Mutex(try? keys.read())
    }

    /// Reads the file of keys again, which may have a new key. Blocks.
    package func readKeys() {
        guard let read = try? keys.read() else { return }
        current.withLock { $0 = read }
    }

    // MARK: Keys in Redis

    private struct Place {
        let head: [UInt8]
        let claim: [UInt8]
        private let partStart: String

        init(_ prefix: String, _ tag: String) {
            let start = "\(prefix):list:{\(tag)}"
            head = Array(start.utf8)
            claim = Array((start + ":claim").utf8)
            partStart = start + ":"
        }

        func part(_ index: Int, of name: String) -> [UInt8] { Array("\(partStart)\(name):\(index)".utf8) }
    }

    /// `nil` if there is no such master account.
    private func place(_ filter: SubAccountFilter, _ master: Name?) -> Place? {
        source.one(master).map { source in
            let text = source + (filter.reseller.map { "\n" + $0 } ?? "")
            return Place(
                client.configuration.keyPrefix, String(SHA256Digest(of: text).hexadecimal.prefix(16)))
        }
    }

    private static func text(_ duration: Duration) -> [UInt8] {
        let (seconds, attoseconds) = duration.components
        return text(Int(seconds * 1000 + attoseconds / 1_000_000_000_000_000))
    }

    private static func text(_ number: Int) -> [UInt8] { Array("\(number)".utf8) }

    // MARK: Reading

    package func find(
        _ filter: SubAccountFilter, under master: Name?, claim: Duration,
        isWanted: @Sendable (SharedAccountList.Times) -> Bool
    ) async -> SharedListFinding {
        guard let place = place(filter, master), let keys = current.withLock({ $0 }) else { return .absent }
        // A replica that has just started may not be connected yet.
        _ = await client.waitUntilConnected(to: place.head, within: Self.callTime)
        do throws(RedisFailure) {
            // Another replica may store lists all the while.
            for _ in 0..<3 {
                let replies = try await client.call(
                    [RedisCommand("GET", [place.head]), RedisCommand("TIME", besideKey: place.head)],
                    within: Self.callTime)
                let text = replies[0].bytes ?? []
                if let head = StoredListHead(text, partBytes: Self.partBytes, bytesMax: Self.bytesMax),
                    let times = Self.times(head, replies[1]), isWanted(times),
                    let list = try await read(head, place, keys, times)
                {
                    return .list(list)
                }
                let reply = try await client.run(
                    AccountListScripts.claim, keys: [place.head, place.claim],
                    arguments: [text, replica, Self.text(claim)], within: Self.callTime)
                switch reply.integer {
                case 0: return .claimed
                case 1: return .absent
                case _: break
                }
            }
            return .absent
        } catch {
            return .absent
        }
    }

    private static func times(_ head: StoredListHead, _ time: RedisValue) -> SharedAccountList.Times? {
        guard let now = time.milliseconds else { return nil }
        let age = max(now - head.began, 0)
        return SharedAccountList.Times(age: .milliseconds(age), took: .milliseconds(head.took))
    }

    /// - Returns: `nil` if a part is missing or cannot be read.
    private func read(
        _ head: StoredListHead, _ place: Place, _ keys: [SealingKey], _ times: SharedAccountList.Times
    ) async throws(RedisFailure) -> SharedAccountList? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(head.bytes)
        for start in stride(from: 0, to: head.parts, by: Self.partsInFlight) {
            let names = (start..<min(start + Self.partsInFlight, head.parts)).map { place.part($0, of: head.name) }
            let replies = try await client.call(names.map { RedisCommand("GET", [$0]) }, within: Self.callTime)
            for (name, reply) in zip(names, replies) {
                guard let value = reply.bytes, let part = SealedValue.open(value[...], with: keys, place: name),
                    part.count == min(Self.partBytes, head.bytes - bytes.count)
                else { return nil }
                bytes += part
            }
        }
        return SharedAccountList(unpacking: bytes, times)
    }

    // MARK: Claims

    package func extendClaim(_ filter: SubAccountFilter, under master: Name?, to claim: Duration) async {
        await run(AccountListScripts.extend, filter, master, [replica, Self.text(claim)])
    }

    package func endClaim(_ filter: SubAccountFilter, under master: Name?) async {
        await run(AccountListScripts.end, filter, master, [replica])
    }

    private func run(
        _ script: RedisScript, _ filter: SubAccountFilter, _ master: Name?, _ arguments: [[UInt8]]
    ) async {
        guard let place = place(filter, master) else { return }
        _ = try? await client.run(
            script, keys: [place.head, place.claim], arguments: arguments, within: Self.callTime)
    }

    // MARK: Storing

    package func put(
        _ list: SharedAccountList, _ filter: SubAccountFilter, under master: Name?, timeToLive: Duration
    ) async {
        guard let place = place(filter, master), let keys = current.withLock({ $0 }),
            await store(list, place, keys, timeToLive)
        else { return await endClaim(filter, under: master) }
    }

    /// - Returns: Whether the claim has ended.
    private func store(
        _ list: SharedAccountList, _ place: Place, _ keys: [SealingKey], _ timeToLive: Duration
    ) async -> Bool {
        let bytes = list.packed
        guard bytes.count <= Self.bytesMax, timeToLive > .milliseconds(1) else { return false }
        let clock = ContinuousClock()
        let began = clock.now
        let name = RandomToken.make()
        let starts = Array(stride(from: 0, to: bytes.count, by: Self.partBytes))
        do throws(RedisFailure) {
            for first in stride(from: 0, to: starts.count, by: Self.partsInFlight) {
                let commands = (first..<min(first + Self.partsInFlight, starts.count)).map { index in
                    let key = place.part(index, of: name)
                    let part = Array(bytes[starts[index]..<min(starts[index] + Self.partBytes, bytes.count)])
                    return RedisCommand(
                        "SET",
                        [
                            key, SealedValue.seal(part, with: keys, place: key), Array("PX".utf8),
                            Self.text(timeToLive + Self.readTime),
                        ])
                }
                let replies = try await client.call(commands, within: Self.callTime)
                guard replies.allSatisfy({ $0 == .ok }) else { return false }
            }
            let unused = try await client.run(
                AccountListScripts.put, keys: [place.head, place.claim],
                arguments: [
                    replica, Array(name.utf8), Self.text(starts.count), Self.text(bytes.count),
                    Self.text(list.times.age + (clock.now - began)), Self.text(list.times.took),
                    Self.text(timeToLive),
                ], within: Self.callTime)
            await expireParts(of: unused.bytes ?? [], place)
            return true
        } catch {
            return false
        }
    }

    /// Jobs may list again and again, so the parts of a replaced list must not fill Redis. Replicas that are reading them have some
    /// seconds left.
    private func expireParts(of head: [UInt8], _ place: Place) async {
        guard let head = StoredListHead(head, partBytes: Self.partBytes, bytesMax: Self.bytesMax) else { return }
        let time = Self.text(Self.replacedTime)
        let commands = (0..<head.parts).map { RedisCommand("PEXPIRE", [place.part($0, of: head.name), time]) }
        _ = try? await client.call(commands, within: Self.callTime)
    }
}
