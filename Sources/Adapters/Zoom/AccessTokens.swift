import Domain
import Logging

/// The access token of the master account: fetched when first needed, kept until shortly before it expires, and renewed
/// once however many calls wait for it.
actor AccessTokens {
    private struct Token {
        let text: Secret
        let renewAt: Moment
    }

    private enum State {
        case none
        case valid(Token)
        case renewing(Task<Result<Secret, ZoomFailure>, Never>)
        /// The last renewal failed: its failure stands for a while, so that a fault does not turn into a storm.
        case failed(ZoomFailure, until: Moment)
    }

    private var state = State.none
    private let fetch: @Sendable () async throws(ZoomFailure) -> ZoomAnswer.TokenGrant
    private let time: any TimeSource
    private let logger: Logger

    /// How long before it expires a token is replaced, so that none expires on its way; a tenth of its life for those
    /// that live shorter than usual.
    private static let margin = Duration.seconds(300)

    private static let failureKept = Duration.seconds(2)

    init(
        time: any TimeSource, logger: Logger,
        fetch: @escaping @Sendable () async throws(ZoomFailure) -> ZoomAnswer.TokenGrant
    ) {
        self.time = time
        self.logger = logger
        self.fetch = fetch
    }

    /// A token that is good for now.
    func token() async throws(ZoomFailure) -> Secret {
        switch state {
        case .valid(let token) where time.now < token.renewAt: return token.text
        case .failed(let failure, let until) where time.now < until: throw failure
        case .renewing(let renewal): return try await renewal.value.get()
        case .none, .valid, .failed: return try await renew()
        }
    }

    /// Zoom refused this token: the next call fetches another, unless somebody already did.
    func refused(_ text: Secret) {
        if case .valid(let token) = state, token.text == text { state = .none }
    }

    func close() {
        if case .renewing(let renewal) = state { renewal.cancel() }
    }

    private func renew() async throws(ZoomFailure) -> Secret {
        // Not a child of the caller's task: a caller that gives up must not take the token from the others.
        let renewal = Task { () -> Result<Secret, ZoomFailure> in
            do throws(ZoomFailure) {
                let grant = try await fetch()
                let margin = min(Self.margin, grant.lifetime / 10)
                state = .valid(Token(text: grant.accessToken, renewAt: time.now + (grant.lifetime - margin)))
                logger.debug("obtained an access token", metadata: ["lifetime": "\(grant.lifetime)"])
                return .success(grant.accessToken)
            } catch {
                state = .failed(error, until: time.now + Self.failureKept)
                logger.warning("could not obtain an access token from Zoom", metadata: ["reason": "\(error.reason)"])
                return .failure(error)
            }
        }
        state = .renewing(renewal)
        return try await renewal.value.get()
    }
}
