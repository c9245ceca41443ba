import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

@Suite("Key ledger in Redis", .timeLimit(.minutes(10)))
struct KeyLedgerScriptTests {
    private static let rules = KeyLedger.Rules(lease: 30_000, window: 86_400)

    /// Commands of replicas whose clocks differ, some late, doubled or for a claim that has ended.
    private struct Commands {
        var random: SeededRandom
        private var tokens: [Int64] = [1]
        private var writes: [Int64: ClaimedWrite] = [:]

        /// The store's clock in milliseconds.
        var now: Int64 = 1_800_000_000_000

        init(seed: UInt64) {
            random = SeededRandom(seed: seed)
        }

        /// The clock of a replica.
        private mutating func timestamp() -> Timestamp {
            Timestamp(secondsSinceEpoch: now / 1000 + .random(in: -300...300, using: &random))
        }

        private mutating func outcome() -> WriteOutcome {
            let outcomes = IdempotencyStoreContract.outcomes
            return outcomes[Int.random(in: outcomes.indices, using: &random)]
        }

        mutating func next() -> KeyCommand {
            now += .random(in: 0...100, using: &random) < 8 ? .random(in: 5000...40_000, using: &random) : 20
            if .random(in: 0...400, using: &random) == 0 { now += 86_000_000 }
            if .random(in: 0...200, using: &random) == 0 { now -= .random(in: 0...120_000, using: &random) }
            let token = tokens[Int.random(in: max(0, tokens.count - 4)..<tokens.count, using: &random)]
            let write = writes[token] ?? ClaimedWrite(.sample("0"), at: timestamp())
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<20:
                let token = Int64.random(in: 1 ... .max, using: &random)
                let write = ClaimedWrite(.sample("\(Int.random(in: 0..<2, using: &random))"), at: timestamp())
                tokens.append(token)
                writes[token] = write
                return .claim(write, token: token)
            case 20..<23: return .claim(write, token: token)
            case 23..<30: return .read(at: timestamp())
            case 30..<48: return .willSend(token: token)
            case 48..<60: return .renew(write, token: token, isSent: .random(using: &random))
            case 60..<72:
                return .finish(outcome(), at: timestamp(), token: token, sent: .random(using: &random) ? write : nil)
            case 72..<80: return .leaveUnknown(token: token, sent: .random(using: &random) ? write : nil)
            case 80..<88: return .release(token: token)
            case 88..<94: return .resolve(outcome(), at: timestamp(), digest: write.request.digest)
            default: return .remove(token: token, isFinished: .random(using: &random))
            }
        }
    }

    @Test("The scripts in Redis give the same replies as the ledger of the domain, and set the same time to live")
    func sameReplies() async throws {
        let seed = UInt64.random(in: 0 ... .max)
        try await RedisServer.with { server in
            try await server.withClient { client in
                // The clock is the last argument.
                let scripts = KeyScripts(clock: "tonumber(ARGV[#ARGV])")
                var ledger = KeyLedger()
                var commands = Commands(seed: seed)
                for step in 0..<4000 {
                    let command = commands.next()
                    // Redis removes the key by its own clock, which is not that of the test.
                    if let expires = ledger.expires, expires <= commands.now { await server.run("DEL", "key") }
                    let before = ledger.expires
                    let expected = ledger.perform(command, Self.rules, at: commands.now)
                    let (script, arguments) = scripts.script(for: command, Self.rules)
                    let value = try await client.run(
                        script, keys: [Array("key".utf8)], arguments: arguments + [Array("\(commands.now)".utf8)],
                        within: .seconds(10))
                    let reply = try #require(KeyReply(value), "\(value)")
                    try #require(reply == expected, "step \(step), seed \(seed), \(command)")
                    let left = try await client.call(RedisCommand("PTTL", "key"), within: .seconds(10)).integer ?? 0
                    try #require((left >= 0) == (ledger.expires != nil), "step \(step), seed \(seed), \(left)")
                    if let expires = ledger.expires, expires != before {
                        let limit = expires - commands.now
                        try #require(left <= limit && left > limit - 20_000, "step \(step), seed \(seed), \(left)")
                    }
                }
            }
        }
    }
}
