import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

@Suite("Slot ledger in Redis")
struct SlotLedgerScriptTests {
    private static let rules = [
        SlotLedger.Rules(rate: 60_000), SlotLedger.Rules(rate: 20_000, perDay: 300, dayReserve: 30, bulkEvery: 5),
        SlotLedger.Rules(rate: 333, perDay: 50, dayReserve: 5), SlotLedger.Rules(rate: 2000, bulkEvery: 2),
    ]

    /// The requests of replicas that lose replies and use their own shares, and of a store that forgets.
    private struct Requests {
        var random: SeededRandom
        var now: Int64 = 1_769_990_000_000_000
        var server: Int64 = 1
        private var serials: [Int64: Int64] = [:]
        private var today: (day: Int64, spent: Int64) = (0, 0)

        init(seed: UInt64) {
            random = SeededRandom(seed: seed)
        }

        mutating func next(by replica: Int64) -> SlotRequest {
            now +=
                chance(0.02)
                ? .random(in: 1_000_000...8_000_000, using: &random) : .random(in: 0...90_000, using: &random)
            if chance(0.002) { now += 20_000_000_000 }
            if chance(0.005) { now -= .random(in: 0...200_000_000, using: &random) }
            if chance(0.005) { server = .random(in: 0...1 << 48, using: &random) }
            var request = SlotRequest()
            request.callers = chance(0.5) ? .random(in: 0...8, using: &random) : 0
            request.bulk = chance(0.6) ? .random(in: 0...32, using: &random) : 0
            request.expires = chance(0.8) ? now + .random(in: -50_000...200_000, using: &random) : 0
            request.serialSeen = (serials[replica] ?? 0) + (chance(0.01) ? .random(in: 0...50, using: &random) : 0)
            request.replicas = .random(in: 1...5, using: &random)
            request.isDoubtful = chance(0.05)
            request.isReturning = request.isDoubtful && chance(0.5)
            request.day = chance(0.9) ? today.day : today.day - 1
            request.spentSeen = max(today.spent - .random(in: 0...3, using: &random), 0)
            request.unshared = chance(0.1) ? .random(in: 0...9, using: &random) : 0
            request.unused = chance(0.1) ? .random(in: 0...9, using: &random) : 0
            request.isRefused = chance(0.02)
            request.blockedFor = chance(0.5) ? 0 : .random(in: 0...3_000_000, using: &random)
            request.exhaustedFor = chance(0.005) ? .random(in: 0...4_000_000, using: &random) : 0
            return request
        }

        mutating func received(_ reply: SlotReply, by replica: Int64) {
            if chance(0.9) { serials[replica] = reply.serial }
            today = (reply.day, reply.spent)
        }

        private mutating func chance(_ probability: Double) -> Bool {
            Double.random(in: 0..<1, using: &random) < probability
        }
    }

    @Test("The script in Redis gives the same replies as the ledger of the domain", arguments: rules)
    func sameReplies(_ rules: SlotLedger.Rules) async throws {
        let seed = UInt64.random(in: 0 ... .max)
        try await RedisServer.with { server in
            try await server.withClient { client in
                // The clock and the server are the last arguments.
                let script = SlotLedgerScript.script(clock: "tonumber(ARGV[20])", server: "tonumber(ARGV[21])")
                var ledger = SlotLedger()
                var requests = Requests(seed: seed)
                for step in 0..<1500 {
                    let replica = Int64.random(in: 1...4, using: &requests.random)
                    let request = requests.next(by: replica)
                    let expected = ledger.take(
                        request, by: replica, rules, at: requests.now, of: requests.server)
                    let value = try await client.run(
                        script, keys: [Array("ledger".utf8)],
                        arguments: RedisSharedRates.arguments(request, replica, rules)
                            + [requests.now, requests.server].map { Array("\($0)".utf8) },
                        within: .seconds(10))
                    let reply = try #require(SlotReply(value), "\(value)")
                    try #require(reply == expected, "step \(step), seed \(seed), \(request)")
                    requests.received(reply, by: replica)
                }
            }
        }
    }
}
