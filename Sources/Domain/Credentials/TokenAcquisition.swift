/// Decides how a replica gets an access token: it takes the token of another replica, or requests one itself while no other
/// replica does.
///
/// The caller performs `step`, and reports its result.
package struct TokenAcquisition: Sendable {
    package enum Step: Sendable, Equatable {
        /// Read the shared token.
        case lookUp
        case wait(Duration)
        /// Ask for the right to request a token.
        case begin
        /// Give up the right.
        case end(TokenFence)
        /// Request a token. Without a number, the store has no rights, or cannot be reached.
        case request(TokenFence?)
        case use(AccessToken)
    }

    /// Which tokens of other replicas the replica takes.
    package struct Wanted: Sendable {
        /// The token that the source refused last. Other replicas may still share it.
        package var refused: Secret?

        /// The token in use. Another one must expire later.
        package var current: AccessToken?

        /// After a change of the secret: the digest of the new one. A token that was obtained with it proves that the new
        /// secret works, so one replica requests a token for all.
        package var secretDigest: [UInt8]?

        package init(refused: Secret?, current: AccessToken?, secretDigest: [UInt8]?) {
            self.refused = refused
            self.current = current
            self.secretDigest = secretDigest
        }

        /// A token that is not valid for longer than this is not taken.
        private static let lifetimeMin: Int64 = 60

        func accepts(_ token: AccessToken, at now: Timestamp) -> Bool {
            guard token.text != refused else { return false }
            var least = now.secondsSinceEpoch + Self.lifetimeMin
            if let secretDigest {
                guard token.secretDigest == secretDigest else { return false }
            } else if let current {
                least = current.expires.secondsSinceEpoch
            }
            return token.expires.secondsSinceEpoch > least
        }
    }

    /// The longest random delay of a request for a token after a refusal. Replicas that were refused at the same time request
    /// one token in this way, also without rights: the first shares it with the others.
    package static let jitterMax = Duration.milliseconds(500)

    /// How often to look for the token of the replica that has the right.
    private static let interval = Duration.milliseconds(100)

    /// The longest wait for the tokens of other replicas. A right of a replica that was killed ends long before.
    private static let waitMax = Duration.seconds(30)

    /// A right that is older than this is given up before the request, since it could end before its token is stored.
    private static let rightAgeMax = Duration.seconds(5)

    private enum Phase {
        case first
        case afterJitter
        case right(TokenFence, called: Moment)
        case held
    }

    package private(set) var step: Step
    private let wanted: Wanted
    private var phase = Phase.first
    private let beganAt: Moment

    /// - Parameter isShared: Whether replicas share tokens.
    package init(_ wanted: Wanted, isShared: Bool, at now: Moment) {
        self.wanted = wanted
        beganAt = now
        step = isShared ? .lookUp : .request(nil)
    }

    /// The result of `lookUp`.
    package mutating func found(
        _ token: AccessToken?, at now: Moment, _ timestamp: Timestamp, using random: inout some RandomNumberGenerator
    ) {
        let accepted = token.flatMap { wanted.accepts($0, at: timestamp) ? $0 : nil }
        switch phase {
        case .first:
            if let accepted { return step = .use(accepted) }
            // Other replicas may have met the refusal as well.
            guard wanted.refused != nil else { return step = .begin }
            step = .wait(Self.jitterMax * Double.random(in: 0...1, using: &random))
            phase = .afterJitter
        case .afterJitter: step = accepted.map(Step.use) ?? .begin
        case .held: step = accepted.map(Step.use) ?? .begin
        case .right(let fence, let called):
            let isOld = now - called > Self.rightAgeMax
            step = accepted != nil || isOld ? .end(fence) : .request(fence)
        }
    }

    /// After `wait`.
    package mutating func waited() {
        step = .lookUp
    }

    /// The result of `begin`.
    ///
    /// - Parameter called: When the replica asked for the right.
    package mutating func answered(_ right: TokenRefreshRight, called: Moment, at now: Moment) {
        switch right {
        case .none: step = .request(nil)
        case .granted(let fence):
            // Another replica may have stored a token and ended its right since the last look.
            phase = .right(fence, called: called)
            step = .lookUp
        case .held:
            phase = .held
            step = now - beganAt < Self.waitMax ? .wait(Self.interval) : .request(nil)
        }
    }

    /// After `end`.
    package mutating func ended() {
        phase = .held
        step = .lookUp
    }
}
