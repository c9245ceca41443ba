/// Decides when an access token is refreshed: before it expires, at a random time for each replica.
///
/// If new tokens are rejected early again and again, another client with the same credentials probably invalidates them
/// by obtaining its own. Refreshes then back off exponentially.
package struct TokenRefresh: Sendable, Equatable {
    /// The latest refresh before the token expires; a tenth of the lifetime if that is shorter. Each replica refreshes
    /// at a random time between two margins and one margin before the expiry.
    private static let margin = Duration.seconds(300)

    /// A token rejected within this time after it was obtained has probably been invalidated by another client.
    private static let shortLife = Duration.seconds(300)

    private static let firstPause = Duration.seconds(1)
    private static let pauseLimit = Duration.seconds(60)

    /// When the current token should be refreshed, if it is in use.
    package private(set) var due: Moment?

    /// Until when the current token is sent. Ends before the expiry, since a request takes time to arrive.
    package private(set) var usableUntil: Moment?

    private var obtainedAt: Moment?

    /// New tokens in a row that were rejected within `shortLife`.
    private var shortLived = 0
    private var earliest: Moment?

    package init() {}

    /// Records a new token.
    ///
    /// - Parameter isOurs: Whether this replica requested the token. Otherwise another replica shared it.
    package mutating func obtained(
        lifetime: Duration, isOurs: Bool, at now: Moment, using random: inout some RandomNumberGenerator
    ) {
        let margin = min(Self.margin, lifetime / 10)
        usableUntil = now + lifetime - margin / 5
        due = now + lifetime - margin * Double.random(in: 1...2, using: &random)
        if isOurs { obtainedAt = now }
    }

    /// Records a failed refresh. The current token stays in use; the next refresh is due after a third of its remaining
    /// time.
    package mutating func failed(at now: Moment) {
        guard let usableUntil, now < usableUntil else {
            due = nil
            return
        }
        due = now + max((usableUntil - now) / 3, .seconds(1))
    }

    /// Records that the source rejected the current token before it expired.
    package mutating func refused(at now: Moment, using random: inout some RandomNumberGenerator) {
        due = nil
        usableUntil = nil
        guard let obtained = obtainedAt, now - obtained < Self.shortLife else {
            shortLived = 0
            return
        }
        obtainedAt = nil
        shortLived += 1
        // A single early rejection may be chance, or the token may have been revoked.
        guard shortLived > 1 else { return }
        let pauseMax = min(Self.firstPause * (1 << min(shortLived - 2, 10)), Self.pauseLimit)
        earliest = now + pauseMax * Double.random(in: 0.5...1, using: &random)
    }

    /// How long to wait before requesting another token; zero if none is necessary.
    package func pause(at now: Moment) -> Duration {
        earliest.map { max($0 - now, .zero) } ?? .zero
    }
}
