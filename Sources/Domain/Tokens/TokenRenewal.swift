/// When an access token is renewed: ahead of its end, each replica at a time of its own; and less and less often where new
/// tokens do not live, which is what it looks like when somebody else's new token ends ours and ours ends theirs.
package struct TokenRenewal: Sendable, Equatable {
    /// How long before it expires a token is renewed at the latest; a tenth of its life for those that live shorter than
    /// usual. As much again is the time in which each replica chooses its moment.
    private static let margin = Duration.seconds(300)

    /// A token that lives no longer than this has been ended by somebody.
    private static let shortLife = Duration.seconds(300)

    private static let firstPause = Duration.seconds(1)
    private static let longestPause = Duration.seconds(60)

    /// When the token at hand should be renewed, if it is in use.
    package private(set) var due: Moment?

    /// Until when the token at hand is shown: not to its last moment, since it takes a while to arrive.
    package private(set) var usableUntil: Moment?

    private var obtainedAt: Moment?

    /// How many new tokens in a row were refused early.
    private var shortLived = 0
    private var earliest: Moment?

    package init() {}

    /// There is a new token that lives for so long.
    ///
    /// - Parameter isOurs: We have asked for it, and no other replica has.
    package mutating func obtained(
        lifetime: Duration, isOurs: Bool, at now: Moment, using random: inout some RandomNumberGenerator
    ) {
        let margin = min(Self.margin, lifetime / 10)
        usableUntil = now + lifetime - margin / 5
        due = now + lifetime - margin * Double.random(in: 1...2, using: &random)
        if isOurs { obtainedAt = now }
    }

    /// There was none to be had, and the one at hand goes on being used: some of the time that is left is waited.
    package mutating func failed(at now: Moment) {
        guard let usableUntil, now < usableUntil else {
            due = nil
            return
        }
        due = now + max((usableUntil - now) / 3, .seconds(1))
    }

    /// The token at hand was refused before its time.
    package mutating func refused(at now: Moment, using random: inout some RandomNumberGenerator) {
        due = nil
        usableUntil = nil
        guard let obtained = obtainedAt, now - obtained < Self.shortLife else {
            shortLived = 0
            return
        }
        obtainedAt = nil
        shortLived += 1
        // Once it may be chance, or somebody who has revoked it.
        guard shortLived > 1 else { return }
        let most = min(Self.firstPause * (1 << min(shortLived - 2, 10)), Self.longestPause)
        earliest = now + most * Double.random(in: 0.5...1, using: &random)
    }

    /// How long no other token is to be asked for.
    package func pause(at now: Moment) -> Duration {
        earliest.map { max($0 - now, .zero) } ?? .zero
    }
}
