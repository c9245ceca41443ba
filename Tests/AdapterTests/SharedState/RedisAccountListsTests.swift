import Adapters
import Domain
import DomainFakes
import Testing

@Suite("Account lists in Redis", .timeLimit(.minutes(10)))
struct RedisAccountListsTests {
    private static let times = SharedAccountList.Times(age: .seconds(20), took: .seconds(5))

    /// Records of some 80 bytes.
    private static func list(_ count: Int) async throws -> SharedAccountList {
        let directory = FakeDirectory((0..<count).map { AccountID(literal: "account-\(1_000_000 + $0)") })
        let lists = AccountListCache(directory: directory, time: TestClock())
        let snapshot = try await lists.snapshot(of: nil, .all, maxAge: nil)
        return SharedAccountList(snapshot.list, snapshot.records, times)
    }

    /// Passes two replicas of a new Redis to `test`.
    private static func with(
        _ keys: [SealingKeys], _ test: (RedisServer, RedisAccountLists, RedisAccountLists) async throws -> Void
    ) async throws {
        try await RedisServer.withoutData { server in
            try await server.withClient { first in
                try await server.withClient { second in
                    let lists = zip([first, second], keys).map { client, keys in
                        RedisAccountLists(
                            client, keys: keys,
                            sources: .init(one: { _ in "master at zoom" }, all: { ["master at zoom"] }))
                    }
                    try await test(server, lists[0], lists[1])
                }
            }
        }
    }

    private static func found(
        _ lists: RedisAccountLists, _ filter: SubAccountFilter = .all, ageMax: Duration = .seconds(300)
    ) async -> SharedAccountList? {
        let finding = await lists.find(filter, under: nil, claim: .seconds(60)) { $0.age <= ageMax }
        guard case .list(let list) = finding else { return nil }
        return list
    }

    private static func isClaimed(_ lists: RedisAccountLists) async -> Bool {
        if case .claimed = await lists.find(.all, under: nil, claim: .seconds(60), isWanted: { _ in true }) {
            true
        } else {
            false
        }
    }

    private static func key(_ pair: String) throws -> SealingKeys {
        .given(try #require(SealingKey(hexadecimal: String(repeating: pair, count: 32))))
    }

    @Test("another replica finds a stored list of many parts with its records and age", arguments: [false, true])
    func stored(isSealed: Bool) async throws {
        let keys = isSealed ? try Self.key("4b") : .none
        try await Self.with([keys, keys]) { server, first, second in
            let list = try await Self.list(3000)
            await first.put(list, .all, under: nil, timeToLive: .seconds(300))
            let found = try #require(await Self.found(second))
            #expect(found.list == list.list && found.times.took == .seconds(5))
            #expect((.seconds(20) ..< .seconds(80)).contains(found.times.age))
            let (records, expected) = (try #require(found.records), try #require(list.records))
            #expect((0..<3000).allSatisfy { records[$0] == expected[$0] })
            #expect(await Self.found(second, ageMax: .seconds(10)) == nil)
            #expect(await Self.found(second, SubAccountFilter(reseller: "other")) == nil)
            // Personal data is not readable with a key, and every part expires.
            let names = await server.run("KEYS", "*:list:*").split(separator: "\n").map(String.init)
            #expect(names.count > 4)
            for name in names {
                let milliseconds = try #require(Int(await server.run("PTTL", name)))
                #expect(milliseconds > 0, "\(name)")
            }
            let part = try #require(names.first { $0.hasSuffix(":0") })
            let content = await server.run("GET", part)
            #expect(content.contains("account-1000000") == !isSealed)
        }
    }

    @Test("a replica with another key, and a lost part, are the same as no list")
    func unreadable() async throws {
        try await Self.with([try Self.key("4b"), try Self.key("5c")]) { server, first, second in
            await first.put(try await Self.list(3000), .all, under: nil, timeToLive: .seconds(300))
            #expect(await Self.found(second) == nil)
            #expect(await Self.found(first) != nil)
            let names = await server.run("KEYS", "*:list:*").split(separator: "\n").map(String.init)
            let part = try #require(names.first { $0.hasSuffix(":2") })
            _ = await server.run("DEL", part)
            #expect(await Self.found(first) == nil)
        }
    }

    @Test("a list of another version of the service is the same as no list, and a new one replaces it")
    func version() async throws {
        try await Self.with([.none, .none]) { server, first, second in
            await first.put(try await Self.list(10), .all, under: nil, timeToLive: .seconds(300))
            let names = await server.run("KEYS", "*:list:*").split(separator: "\n").map(String.init)
            let head = try #require(names.first { $0.hasSuffix("}") })
            for text in ["2 of the future", "1 name 99999999 1 0 0", "1 name 1 10 -5 0", "1", ""] {
                _ = await server.run("SET", head, text)
                #expect(await Self.found(second) == nil, "\(text)")
            }
            await second.put(try await Self.list(11), .all, under: nil, timeToLive: .seconds(300))
            #expect(await Self.found(first)?.list.count == 11)
        }
    }

    @Test("the parts of a list that is not used any more expire within seconds")
    func replaced() async throws {
        try await Self.with([.none, .none]) { server, first, second in
            func partsToStay() async -> Set<String> {
                var names: Set<String> = []
                for name in await server.run("KEYS", "*:list:*").split(whereSeparator: \.isNewline).map(String.init) {
                    if let milliseconds = Int(await server.run("PTTL", name)), milliseconds > 20_000 {
                        names.insert(name)
                    }
                }
                return names
            }
            let list = try await Self.list(1000)
            await first.put(list, .all, under: nil, timeToLive: .seconds(300))
            let before = await partsToStay()
            let newer = SharedAccountList(list.list, list.records, .init(age: .seconds(1), took: .zero))
            await second.put(newer, .all, under: nil, timeToLive: .seconds(300))
            let after = await partsToStay()
            // Only the head has the same name.
            #expect(before.count == after.count && before.intersection(after).count == 1)
            await first.put(list, .all, under: nil, timeToLive: .seconds(300))
            #expect(await partsToStay() == after)
            #expect(await Self.found(first)?.list == list.list)
        }
    }

    @Test("one replica has the claim, until it ends it, stores a list, or does not extend it")
    func claims() async throws {
        try await Self.with([.none, .none]) { server, first, second in
            #expect(await Self.isClaimed(first) == false)
            #expect(await Self.isClaimed(second))
            // The claim of another replica cannot be ended.
            await second.endClaim(.all, under: nil)
            #expect(await Self.isClaimed(second))
            #expect(await Self.isClaimed(first) == false)
            await first.endClaim(.all, under: nil)
            #expect(await Self.isClaimed(second) == false)
            await second.put(try await Self.list(10), .all, under: nil, timeToLive: .seconds(300))
            #expect(await Self.found(first, ageMax: .zero) == nil)
            await first.extendClaim(.all, under: nil, to: .milliseconds(1))
            while await Self.isClaimed(second) { try Task.checkCancellation() }
        }
    }

    @Test(
        "a list whose listing began earlier does not replace a newer one, and a Redis that is away is the same as no list"
    )
    func order() async throws {
        try await Self.with([.none, .none]) { server, first, second in
            let list = try await Self.list(10)
            await first.put(list, .all, under: nil, timeToLive: .seconds(300))
            let older = SharedAccountList(list.list, nil, .init(age: .seconds(60), took: .zero))
            await second.put(older, .all, under: nil, timeToLive: .seconds(300))
            #expect(await Self.found(second)?.records != nil)
            await server.kill()
            #expect(await Self.found(second) == nil)
            #expect(await Self.isClaimed(second) == false)
            await first.put(list, .all, under: nil, timeToLive: .seconds(300))
        }
    }
}
