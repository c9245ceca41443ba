import Adapters
import Domain
import DomainFakes
import Testing

@Suite("Token ledger in Redis", .timeLimit(.minutes(10)))
struct TokenLedgerScriptTests {
    @Test("The scripts in Redis give the same replies as the ledger of the domain, and set the same time to live")
    func sameReplies() async throws {
        let seed = UInt64.random(in: 0 ... .max)
        try await RedisServer.with { server in
            try await server.withClient { client in
                // The clock is the last argument.
                let scripts = TokenScripts(clock: "tonumber(ARGV[#ARGV])")
                var ledger = TokenLedger<[UInt8]>()
                var random = SeededRandom(seed: seed)
                var now: Int64 = 1_800_000_000_000_000
                var numbers: [Int64] = [1]
                func run(_ script: RedisScript, _ arguments: [String]) async throws -> RedisValue {
                    try await client.run(
                        script, keys: [Array("{token}".utf8), Array("{token}right".utf8)],
                        arguments: (arguments + ["\(now)"]).map { Array($0.utf8) }, within: .seconds(10))
                }
                for step in 0..<3000 {
                    now += .random(
                        in: 0...(.random(in: 0..<20, using: &random) == 0 ? 12_000_000 : 300_000), using: &random)
                    if .random(in: 0..<100, using: &random) == 0 { now -= .random(in: 0...5_000_000, using: &random) }
                    // Redis removes them by its own clock, which is not that of the test.
                    if let expires = ledger.expires, expires <= now { await server.run("DEL", "{token}") }
                    if let ends = ledger.rightEnds, ends <= now { await server.run("DEL", "{token}right") }
                    let place: Comment = "step \(step), seed \(seed)"
                    let number = numbers[Int.random(in: max(0, numbers.count - 3)..<numbers.count, using: &random)]
                    switch Int.random(in: 0..<100, using: &random) {
                    case 0..<40:
                        let expected = ledger.begin(at: now)
                        try #require(try await run(scripts.begin, []).integer == expected, place)
                        if let expected { numbers.append(expected) }
                    case 40..<70:
                        let lifetime = Int64.random(in: 30...90, using: &random) * 1_000_000
                        let isFenced = Int.random(in: 0..<5, using: &random) > 0
                        let token = Array("token \(step)".utf8)
                        let expected = ledger.put(
                            token, number: isFenced ? number : nil, lifetime: lifetime, at: now)
                        let reply = try await run(
                            scripts.put, [isFenced ? "\(number)" : "", "token \(step)", "\(lifetime / 1000)"])
                        try #require(reply == .integer(expected ? 1 : 0), place)
                        if expected {
                            let left =
                                try await client.call(
                                    RedisCommand("PTTL", "{token}"), within: .seconds(10)
                                ).integer ?? 0
                            try #require(left <= lifetime / 1000 && left > lifetime / 1000 - 1000, place)
                        }
                    default:
                        let expected = ledger.end(number, at: now)
                        try #require(try await run(scripts.end, ["\(number)"]) == .integer(expected ? 1 : 0), place)
                    }
                    let stored = try await client.call(RedisCommand("HGET", "{token}", "v"), within: .seconds(10))
                    try #require(stored.bytes == ledger.token(at: now), place)
                }
            }
        }
    }
}
