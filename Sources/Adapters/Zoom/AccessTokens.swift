import Domain
import Logging

/// The access token of one master account: fetched when first needed, kept until shortly before it expires, and renewed
/// once however many calls wait for it.
actor AccessTokens {
    typealias Fetch = @Sendable (MasterCredentials) async throws(ZoomFailure) -> ZoomAnswer.TokenGrant

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

    /// Those the last token was asked for with.
    private var presented: MasterCredentials?

    /// Fetches a token with new credentials while the old one is in use.
    private var replacement: Task<Void, Never>?

    private let master: Name
    private let credentials: any CredentialsStore
    private let fetch: Fetch
    private let time: any TimeSource
    private let logger: Logger

    /// How long before it expires a token is replaced, so that none expires on its way; a tenth of its life for those
    /// that live shorter than usual.
    private static let margin = Duration.seconds(300)

    private static let failureKept = Duration.seconds(2)

    init(
        master: Name, credentials: any CredentialsStore, time: any TimeSource, logger: Logger, fetch: @escaping Fetch
    ) {
        self.master = master
        self.credentials = credentials
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

    /// The store may have other credentials than those last presented. The token at hand is used until there is one for
    /// them: an app's tokens outlive its old secret, and nobody has to wait.
    func credentialsChanged() async {
        switch state {
        case .failed: state = .none
        case .none, .renewing: break
        case .valid:
            guard replacement == nil, let now = try? await credentials.credentials(of: master), now != presented else {
                return
            }
            replacement = Task {
                do throws(ZoomFailure) {
                    try await obtain()
                } catch {
                    logger.warning(
                        "Zoom gives no access token for the new credentials: the old token stays in use",
                        metadata: ["reason": "\(error.reason)"])
                }
                replacement = nil
            }
        }
    }

    /// Returns when nothing of it is under way any more.
    func close() async {
        replacement?.cancel()
        await replacement?.value
        guard case .renewing(let renewal) = state else { return }
        renewal.cancel()
        _ = await renewal.value
    }

    private func renew() async throws(ZoomFailure) -> Secret {
        // Not a child of the caller's task: a caller that gives up must not take the token from the others.
        let renewal = Task { () -> Result<Secret, ZoomFailure> in
            do throws(ZoomFailure) {
                return .success(try await obtain())
            } catch {
                state = .failed(error, until: time.now + Self.failureKept)
                logger.warning("could not obtain an access token from Zoom", metadata: ["reason": "\(error.reason)"])
                return .failure(error)
            }
        }
        state = .renewing(renewal)
        return try await renewal.value.get()
    }

    /// Asks for a token with the credentials as they are, and once more if Zoom refuses them and there are others by then.
    @discardableResult
    private func obtain() async throws(ZoomFailure) -> Secret {
        var refused: (credentials: MasterCredentials, failure: ZoomFailure)?
        while true {
            let current: MasterCredentials
            do throws(BillingFailure) {
                current = try await credentials.credentials(of: master)
            } catch {
                throw .credentials(.missing)
            }
            if let refused, current == refused.credentials { throw refused.failure }
            presented = current
            do throws(ZoomFailure) {
                let grant = try await fetch(current)
                let margin = min(Self.margin, grant.lifetime / 10)
                state = .valid(Token(text: grant.accessToken, renewAt: time.now + (grant.lifetime - margin)))
                logger.debug("obtained an access token", metadata: ["lifetime": "\(grant.lifetime)"])
                return grant.accessToken
            } catch {
                guard case .credentials = error, refused == nil else { throw error }
                refused = (current, error)
            }
        }
    }
}
