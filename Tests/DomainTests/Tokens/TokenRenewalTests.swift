import Domain
import DomainFakes
import Testing

@Suite("Access token refresh")
struct TokenRenewalTests {
    private static let start = Moment(sinceOrigin: .zero)
    private static let hour = Duration.seconds(3600)

    @Test("An access token is refreshed five to ten minutes before it expires, at a random time")
    func ahead() throws {
        var random = SeededRandom(seed: 1)
        var moments: Set<Moment> = []
        for _ in 0..<100 {
            var renewal = TokenRenewal()
            renewal.obtained(lifetime: Self.hour, isOurs: true, at: Self.start, using: &random)
            let due = try #require(renewal.due)
            #expect(due >= Self.start + .seconds(3000) && due <= Self.start + .seconds(3300))
            #expect(renewal.usableUntil == Self.start + .seconds(3540))
            moments.insert(due)
        }
        #expect(moments.count > 90)
    }

    @Test("An access token with a lifetime of seconds is refreshed before it expires")
    func shortLife() throws {
        var random = SeededRandom(seed: 1)
        var renewal = TokenRenewal()
        renewal.obtained(lifetime: .seconds(10), isOurs: true, at: Self.start, using: &random)
        let (due, end) = (try #require(renewal.due), try #require(renewal.usableUntil))
        #expect(due < end && end < Self.start + .seconds(10) && due >= Self.start + .seconds(8))
    }

    @Test("A failed refresh of an access token is retried, with pauses, until the token expires")
    func failed() throws {
        var random = SeededRandom(seed: 1)
        var renewal = TokenRenewal()
        renewal.obtained(lifetime: Self.hour, isOurs: true, at: Self.start, using: &random)
        var attempts = 0
        var now = try #require(renewal.due)
        while let due = renewal.due {
            #expect(due >= now)
            now = due
            attempts += 1
            renewal.failed(at: now)
        }
        // Retries end when the token is no longer usable, and there are pauses between them.
        #expect(now >= Self.start + .seconds(3540) && (5...30).contains(attempts))
    }

    @Test("A revoked access token is replaced at once")
    func revoked() {
        var random = SeededRandom(seed: 1)
        var renewal = TokenRenewal()
        for life in [Duration.seconds(1), .seconds(1000), .seconds(1)] {
            renewal.obtained(lifetime: Self.hour, isOurs: true, at: Self.start, using: &random)
            renewal.refused(at: Self.start + life, using: &random)
            #expect(renewal.pause(at: Self.start + life) == .zero)
            #expect(renewal.usableUntil == nil && renewal.due == nil)
        }
    }

    /// Replicas share nothing, and the source invalidates older tokens with each new one. Each replica uses its token
    /// ten times a second, and obtains another when it is refused.
    @Test("Replicas whose access tokens invalidate one another obtain new ones with back-off", arguments: [2, 3, 10])
    func superseding(replicas: Int) {
        struct Replica {
            var renewal = TokenRenewal()
            var token = 0
        }
        var random = SeededRandom(seed: UInt64(replicas))
        var all = Array(repeating: Replica(), count: replicas)
        var (newest, answered) = (0, 0)
        for step in 0..<1200 {
            let now = Self.start + .milliseconds(100 * step)
            for index in all.indices {
                if all[index].token != 0, all[index].token != newest {
                    all[index].renewal.refused(at: now, using: &random)
                    all[index].token = 0
                }
                if all[index].token == 0, all[index].renewal.pause(at: now) == .zero {
                    newest += 1
                    all[index].token = newest
                    all[index].renewal.obtained(lifetime: Self.hour, isOurs: true, at: now, using: &random)
                }
                if all[index].token == newest { answered += 1 }
            }
        }
        // In two minutes. Without pauses it would be 1,200 for each replica.
        #expect(newest <= 12 * replicas)
        // Nearly all the time, some replica has the valid token.
        #expect(answered >= 1100)
    }
}
