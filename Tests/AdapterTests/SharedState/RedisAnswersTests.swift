import Adapters
import Domain
import DomainFakes
import NIOPosix
import Synchronization
import Testing

/// Replicas with one redis-server between them.
@Suite("Answers shared through Redis", .timeLimit(.minutes(10)))
struct RedisAnswersTests {
    private let account = AccountID(literal: "KGYzNgbemPk6V8vSm8dopw")
    private var read: AccountRead { .billingInformation(of: account) }

    /// The cache of one replica, with its client and its subscription.
    private struct Replica: Sendable {
        let cache: BillingCache
        let client: RedisClient

        @discardableResult
        func text(_ read: AccountRead) async throws -> String {
            let entry = try await cache.entry(
                for: read, under: nil, for: .interactive(for: nil), directives: .none)
            return try #require(entry.response as? TextResponse).text
        }

        func cached(_ read: AccountRead) -> CacheEntry? {
            cache.cached(read, under: nil, directives: .none, at: SystemTime().now)
        }

        /// Waits until the replica receives changes: an answer in its cache is then served at once.
        func isListening(_ read: AccountRead) async throws {
            while cached(read) == nil {
                try Task.checkCancellation()
                try await text(read)
            }
        }
    }

    /// Starts a replica, and stops it after `test`.
    ///
    /// - Parameter lookupTimeMax: Long by default, since the machine may be busy with other tests; nil for the default of the
    ///   service.
    private static func with(
        _ server: RedisServer, _ source: any BillingSource, keys: SealingKeys = .none,
        lookupTimeMax: Duration? = .seconds(20),
        _ test: (Replica) async throws -> Void
    ) async throws {
        try await server.withClient { client in
            let answers = RedisAnswers.redis(client, keys)
            var rules = CacheRules()
            if let lookupTimeMax { rules.sharedLookupTimeMax = lookupTimeMax }
            let cache = BillingCache(
                source: source, time: SystemTime(), rules: rules, codec: TextCodec(), shared: answers)
            let subscription = RedisSubscription(
                client.configuration, channels: [answers.channel], group: .singleton, time: SystemTime(),
                logger: .silent
            ) { event in
                if let event = answers.event(event) { cache.received(event) }
            }
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await subscription.run() }
                tasks.addTask { await cache.shareChanges() }
                try await test(Replica(cache: cache, client: client))
                subscription.close()
                tasks.cancelAll()
            }
            await cache.close()
        }
    }

    private static func cities(_ city: SharedCity) -> FakeSource {
        FakeSource { _, _ async throws(BillingFailure) in
            let current = city.value
            return .contact(BillingContact(reading: { $0 == .city ? current : "x" }))
        }
    }

    @Test("three replicas make one call to Zoom for an account", arguments: [false, true])
    func once(isSealed: Bool) async throws {
        let key = try #require(SealingKey(hexadecimal: String(repeating: "4b", count: 32)))
        let keys: SealingKeys = isSealed ? .given(key) : .none
        let source = Self.cities(SharedCity("Oakland"))
        try await RedisServer.with { server in
            try await Self.with(server, source, keys: keys) { first in
                try await Self.with(server, source, keys: keys) { second in
                    try await Self.with(server, source, keys: keys) { third in
                        try await withThrowingTaskGroup(of: Void.self) { tasks in
                            for replica in [first, second, third] {
                                for number in 0..<50 {
                                    tasks.addTask {
                                        let account = AccountID(literal: "account-\(number)")
                                        let text = try await replica.text(.billingInformation(of: account))
                                        #expect(text.contains("Oakland"))
                                    }
                                }
                            }
                            try await tasks.waitForAll()
                        }
                        #expect(source.calls.count == 50)
                        let value = await server.run("--scan", "--pattern", "billing:a*")
                        let first = try #require(value.split(separator: "\n").first)
                        let stored = await server.run("GET", String(first))
                        #expect(stored.contains("Oakland") != isSealed)
                    }
                }
            }
        }
    }

    @Test("a change on one replica is seen on another")
    func change() async throws {
        let city = SharedCity("old")
        let source = Self.cities(city)
        try await RedisServer.with { server in
            try await Self.with(server, source) { first in
                try await Self.with(server, source) { second in
                    try await first.isListening(read)
                    try await second.isListening(read)
                    for round in 0..<20 {
                        first.cache.changeBegan(account, invalidating: [.getBillingInformation])
                        city.value = "city-\(round)"
                        first.cache.changeEnded(account, invalidating: [.getBillingInformation])
                        while try await !second.text(read).contains("city-\(round)") { try Task.checkCancellation() }
                        try await first.isListening(read)
                        try await second.isListening(read)
                    }
                }
            }
        }
    }

    @Test("while Redis is stopped or does not answer, reads are answered, and a cached answer needs no Redis")
    func away() async throws {
        let source = Self.cities(SharedCity("Oakland"))
        try await RedisServer.with { server in
            try await Self.with(server, source, lookupTimeMax: nil) { replica in
                try await replica.isListening(read)
                server.pause()
                for number in 0..<20 {
                    try await replica.text(.billingInformation(of: AccountID(literal: "account-\(number)")))
                }
                #expect(replica.cached(read) != nil)
                server.resume()
                try await replica.isListening(read)
                await server.kill()
                for number in 20..<40 {
                    try await replica.text(.billingInformation(of: AccountID(literal: "account-\(number)")))
                }
                try await replica.text(read)
                #expect(source.calls.filter { $0 == account }.count == 1)
                try await server.start()
                #expect(await replica.client.waitUntilConnected(within: .seconds(30)))
                // Started empty: nothing is known of a change, so the cached answer is served.
                try await replica.isListening(read)
                #expect(source.calls.filter { $0 == account }.count == 1)
            }
        }
    }

    @Test("a new replica streams 20,000 accounts from Redis without a call to Zoom")
    func stream() async throws {
        let accounts = (0..<20_000).map { AccountID(literal: "account-\($0)") }
        let source = FakeSource(listed: accounts)
        try await RedisServer.with { server in
            try await Self.with(server, source) { first in
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    for part in 0..<20 {
                        tasks.addTask {
                            for account in accounts[part * 1000..<(part + 1) * 1000] {
                                try await first.text(.billingInformation(of: account))
                            }
                        }
                    }
                    try await tasks.waitForAll()
                }
            }
            let before = source.calls.count
            #expect(before == 20_000)
            let memory = await server.run("INFO", "memory")
            try await Self.with(server, source) { second in
                let time = SystemTime()
                let export = try ExportBilling(
                    lists: AccountListCache(directory: source, time: time), cache: second.cache, source: source,
                    time: time)(.init(), for: .everything)
                let lines = StreamedLines()
                let began = ContinuousClock.now
                try await export.run(to: lines)
                let seconds = (ContinuousClock.now - began) / .seconds(1)
                #expect(lines.count == 20_000)
                #expect(source.calls.count == before)
                let used = memory.split(separator: "\n").first { $0.hasPrefix("used_memory:") } ?? ""
                print("STREAM: \(Int(20_000 / seconds)) lines a second from Redis (debug build); \(used)")
            }
        }
    }
}

/// The city of every contact, which changes.
private final class SharedCity: Sendable {
    private let name: Mutex<String>

    init(_ name: String) { self.name = Mutex(name) }

    var value: String {
        get { name.withLock { $0 } }
        set { name.withLock { $0 = newValue } }
    }
}

/// Encodes answers as the service does, with responses that tests can read.
private struct TextCodec: AnswerCodec {
    private let lines = AnswerLines()

    func encode(
        _ outcome: Result<SourceAnswer, BillingFailure>, to read: AccountRead, asOf: Timestamp
    ) -> EncodedAnswer {
        lines.encode(outcome, to: read, asOf: asOf)
    }

    func response(from answer: StoredAnswer, to read: AccountRead) -> any CachedResponse {
        TextResponse(text: String(decoding: answer.body, as: UTF8.self))
    }

    func invoices(in answer: StoredAnswer) -> (list: InvoiceList, asOf: Timestamp)? { lines.invoices(in: answer) }
}

private final class TextResponse: CachedResponse {
    let text: String

    init(text: String) { self.text = text }

    var bytes: Int { text.utf8.count }
}
