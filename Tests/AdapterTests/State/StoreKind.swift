import Adapters
import Domain
import DomainFakes
import Foundation
import Logging
import Testing

/// An implementation of `IdempotencyStore` under test.
enum StoreKind: CaseIterable, CustomTestStringConvertible {
    case memory
    case sqlite
    case redis

    /// Those whose keys survive the end of a process that had the file open.
    static let durable: [StoreKind] = [.sqlite]

    var testDescription: String {
        switch self {
        case .memory: "in memory"
        case .sqlite: "in an SQLite file"
        case .redis: "in Redis"
        }
    }

    static let window = Duration.seconds(86_400)

    /// Passes a new store to `test`.
    func with(_ test: (any IdempotencyStore) async throws -> Void) async throws {
        switch self {
        case .memory: try await test(MemoryIdempotencyStore(window: Self.window))
        case .sqlite:
            try await withTemporaryFolder { folder in
                try await Self.withSQLite(folder + "/state.db", test)
            }
        case .redis: try await RedisServer.withoutData { try await Self.withRedis($0, test) }
        }
    }

    /// Passes two stores to `test` that share their keys.
    func withTwo(_ test: (any IdempotencyStore, any IdempotencyStore) async throws -> Void) async throws {
        switch self {
        case .memory: try await with { try await test($0, $0) }
        case .sqlite:
            try await withTemporaryFolder { folder in
                try await Self.withSQLite(folder + "/state.db") { first in
                    try await Self.withSQLite(folder + "/state.db") { try await test(first, $0) }
                }
            }
        case .redis:
            try await RedisServer.withoutData { server in
                try await Self.withRedis(server) { first in
                    try await Self.withRedis(server) { try await test(first, $0) }
                }
            }
        }
    }

    /// Passes a store with a new client to `test`.
    static func withRedis(
        _ server: RedisServer, lease: Duration = RedisIdempotencyStore.leaseUsual,
        _ test: (RedisIdempotencyStore) async throws -> Void
    ) async throws {
        try await server.withClient { client in
            try await test(
                RedisIdempotencyStore(client, window: window, lease: lease, time: SystemTime(), logger: .silent))
        }
    }

    /// Opens a store, and closes it after `test`.
    static func withSQLite(
        _ path: String, _ test: (SQLiteIdempotencyStore) async throws -> Void
    ) async throws {
        let store = try openSQLite(path)
        do {
            try await test(store)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }

    static func openSQLite(_ path: String, busyTimeout: Duration = .seconds(5)) throws -> SQLiteIdempotencyStore {
        try SQLiteIdempotencyStore(
            PrivateFile(path: path), window: window, busyTimeout: busyTimeout,
            logger: Logger(label: "none") { _ in SwiftLogNoOpLogHandler() })
    }
}

extension Timestamp {
    static let start = Timestamp(secondsSinceEpoch: 1_800_000_000)

    func after(_ duration: Duration) -> Timestamp {
        Timestamp(secondsSinceEpoch: secondsSinceEpoch + duration.components.seconds)
    }
}

extension CallerKey {
    init(_ key: String, caller: String = "shop", master: String? = nil) throws {
        self.init(
            caller: try #require(Name(caller)), master: try master.map { try #require(Name($0)) },
            key: try #require(IdempotencyKey(key)))
    }
}

extension KeyedRequest {
    static func sample(_ content: String = "content", _ operation: Domain.Operation = .updateBasePlan) -> KeyedRequest {
        KeyedRequest(
            operation: operation, account: AccountID(literal: "account"), digest: SHA256Digest(of: content).bytes)
    }
}

extension IdempotencyStore {
    /// Claims a key that must be free.
    func claimed(
        _ key: CallerKey, for request: KeyedRequest = .sample(), at now: Timestamp = .start,
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> KeyClaim {
        let result = try await claim(key, for: request, at: now)
        guard case .claimed(let claim) = result else {
            throw Expected(text: "\(key.key.rawValue) to be free, not \(result)", location: location)
        }
        return claim
    }

    /// The state of a key; nil if it is free.
    func state(of key: CallerKey, at now: Timestamp = .start) async throws -> KeyRecord.State? {
        try await record(of: key, at: now)?.state
    }

    /// Claims, sends and finishes a key.
    func finished(_ key: CallerKey, with outcome: WriteOutcome = .done(nil), at now: Timestamp = .start) async throws {
        let claim = try await claimed(key, at: now)
        try await willSend(claim)
        try await finish(claim, with: outcome, at: now)
    }

    /// Claims a key, sends its write and leaves it unknown.
    @discardableResult
    func leftUnknown(_ key: CallerKey) async throws -> KeyClaim {
        let claim = try await claimed(key)
        try await willSend(claim)
        try await leaveUnknown(claim)
        return claim
    }
}

struct Expected: Error, CustomStringConvertible {
    let text: String
    let location: SourceLocation
    var description: String { "\(location): expected \(text)" }
}
