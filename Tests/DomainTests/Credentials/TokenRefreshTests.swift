import Domain
import DomainFakes
import Testing

@Suite("Access token refresh")
struct TokenRefreshTests {
    private static let start = Moment(sinceOrigin: .zero)
    private static let hour = Duration.seconds(3600)

    @Test("An access token is refreshed five to ten minutes before it expires, at a random time")
    func ahead() throws {
        var random = SeededRandom(seed: 1)
        var moments: Set<Moment> = []
        for _ in 0..<100 {
            var refresh = TokenRefresh()
            refresh.obtained(lifetime: Self.hour, isOurs: true, at: Self.start, using: &random)
            let due = try #require(refresh.due)
            #expect(due >= Self.start + .seconds(3000) && due <= Self.start + .seconds(3300))
            #expect(refresh.usableUntil == Self.start + .seconds(3540))
            moments.insert(due)
        }
        #expect(moments.count > 90)
    }

    @Test("An access token with a lifetime of seconds is refreshed before it expires")
    func shortLife() throws {
        var random = SeededRandom(seed: 1)
        var refresh = TokenRefresh()
        refresh.obtained(lifetime: .seconds(10), isOurs: true, at: Self.start, using: &random)
        let (due, end) = (try #require(refresh.due), try #require(refresh.usableUntil))
        #expect(due < end && end < Self.start + .seconds(10) && due >= Self.start + .seconds(8))
    }

    @Test("A failed refresh of an access token is retried, with pauses, until the token expires")
    func failed() throws {
        var random = SeededRandom(seed: 1)
        var refresh = TokenRefresh()
        refresh.obtained(lifetime: Self.hour, isOurs: true, at: Self.start, using: &random)
        var attempts = 0
        var now = try #require(refresh.due)
        while let due = refresh.due {
            #expect(due >= now)
            now = due
            attempts += 1
            refresh.failed(at: now)
        }
        // Retries end when the token is no longer usable, and there are pauses between them.
        #expect(now >= Self.start + .seconds(3540) && (5...30).contains(attempts))
    }

    @Test("A revoked access token is replaced at once")
    func revoked() {
        var random = SeededRandom(seed: 1)
        var refresh = TokenRefresh()
        for life in [Duration.seconds(1), .seconds(1000), .seconds(1)] {
            refresh.obtained(lifetime: Self.hour, isOurs: true, at: Self.start, using: &random)
            refresh.refused(at: Self.start + life, using: &random)
            #expect(refresh.pause(at: Self.start + life) == .zero)
            #expect(refresh.usableUntil == nil && refresh.due == nil)
        }
    }

    /// Replicas share nothing, and the source invalidates older tokens with each new one. Each replica uses its token
    /// ten times a second, and obtains another when it is refused.
    @Test("Replicas whose access tokens invalidate one another obtain new ones with back-off", arguments: [2, 3, 10])
    func superseding(replicas: Int) {
        struct Replica {
            var refresh = TokenRefresh()
            var token = 0
        }
        var random = SeededRandom(seed: UInt64(replicas))
        var all = Array(repeating: Replica(), count: replicas)
        var (newest, answered) = (0, 0)
        for step in 0..<1200 {
            let now = Self.start + .milliseconds(100 * step)
            for index in all.indices {
                if all[index].token != 0, all[index].token != newest {
                    all[index].refresh.refused(at: now, using: &random)
                    all[index].token = 0
                }
                if all[index].token == 0, all[index].refresh.pause(at: now) == .zero {
                    newest += 1
                    all[index].token = newest
                    all[index].refresh.obtained(lifetime: Self.hour, isOurs: true, at: now, using: &random)
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
