import Adapters
import Domain
import Foundation
import Synchronization

/// Fills the cache with COUNT contacts, reads them all, and evicts them all with COUNT others, while another thread
/// reads the cache continuously:
///
///     CacheLoad COUNT
///
/// Prints the memory of an entry, and the longest read of the other thread in each phase.
@main
enum CacheLoad {
    /// A source of typical contacts of about 230 bytes of JSON.
    private struct Source: BillingSource {
        func hasQueuedRequests(for operation: Domain.Operation, under master: Name?) -> Bool { false }

        func answer(
            to read: AccountRead, under master: Name?, for purpose: Purpose
        ) async throws(BillingFailure) -> SourceAnswer {
            .contact(
                BillingContact(reading: { field in
                    switch field {
                    case .address: "12 Example Street"
                    case .apartment: "4b"
                    case .city: "Oakland"
                    case .country: "US"
                    case .email: "billing-\(read.account.rawValue.suffix(7))@example.com"
                    case .firstName: "Billing"
                    case .lastName: "Contact \(read.account.rawValue.suffix(7))"
                    case .phoneNumber: "+1 555 0100 200"
                    case .state: "CA"
                    case .zip: "94607"
                    }
                }))
        }
    }

    static func main() async throws {
        guard let count = CommandLine.arguments.dropFirst().first.flatMap({ Int($0) }), count > 0 else {
            fatalError("usage: CacheLoad COUNT")
        }
        // Room for COUNT entries but not for twice as many.
        let before = try memory()
        var rules = CacheRules()
        rules.ttl = .seconds(86_400)
        let perEntry = try await entryBytes(rules)
        rules.bytesMax = perEntry * count * 21 / 20
        let cache = BillingCache(source: Source(), time: SystemTime(), rules: rules, codec: AnswerLines())
        try await measure("fill", cache) { for number in 0..<count { try await look(cache, number) } }
        let (entries, bytes) = cache.size
        let body = 232
        let held = try memory() - before
        print(
            "entries \(entries)  counted \(bytes / entries) B each  resident \(held / entries) B each  body about \(body) B"
        )
        try await measure("read", cache) { for number in 0..<count { try await look(cache, number) } }
        try await measure("evict", cache) { for number in count..<2 * count { try await look(cache, number) } }
        print("entries \(cache.size.entries)  counts \(cache.counts)")
    }

    private static func account(_ number: Int) -> AccountID {
        let digits = String(number)
        guard let id = AccountID("Qx7Zk2mPTfGh0a" + String(repeating: "0", count: 8 - digits.count) + digits) else {
            preconditionFailure("no id")
        }
        return id
    }

    private static func look(_ cache: BillingCache, _ number: Int) async throws(BillingFailure) {
        _ = try await cache.entry(
            for: .billingInformation(of: account(number)), under: nil, for: .bulk, directives: .none)
    }

    private static func entryBytes(_ rules: CacheRules) async throws -> Int {
        let cache = BillingCache(source: Source(), time: SystemTime(), rules: rules, codec: AnswerLines())
        try await look(cache, 1)
        return cache.size.bytes
    }

    /// Runs `work`, and prints the longest concurrent read of another thread.
    private static func measure(_ name: String, _ cache: BillingCache, _ work: () async throws -> Void) async throws {
        let time = SystemTime()
        let isOver = Flag()
        let start = time.now
        async let watching = watch(cache, time, isOver)
        try await work()
        isOver.raise()
        let (reads, longest) = await watching
        print(
            "\(name): \((time.now - start) / .milliseconds(1)) ms, concurrent reads \(reads), the longest \(longest / .microseconds(1)) us"
        )
    }

    @concurrent
    private static func watch(
        _ cache: BillingCache, _ time: SystemTime, _ isOver: Flag
    ) async -> (Int, Duration) {
        var (reads, longest) = (0, Duration.zero)
        while !isOver.isRaised {
            let start = time.now
            // Reads from every part of the cache in turn.
            _ = cache.cached(.billingInformation(of: account(reads & 1023)), under: nil, directives: .none, at: start)
            longest = max(longest, time.now - start)
            reads += 1
        }
        return (reads, longest)
    }

    private static func memory() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return (line.flatMap { Int($0.filter(\.isNumber)) } ?? 0) * 1024
    }

    private final class Flag: Sendable {
        private let value = Atomic(false)
        var isRaised: Bool { value.load(ordering: .relaxed) }
        func raise() { value.store(true, ordering: .relaxed) }
    }
}
