import Domain
import Synchronization

/// The access tokens that the sandbox issued.
final class SandboxTokens: Sendable {
    private struct Grant {
        let app: SandboxConfiguration.App
        let expiresAt: Moment
    }

    let lifetime: Duration
    private let grants = Mutex<[String: Grant]>([:])
    private let behaviour: SandboxConfiguration.Tokens
    private let time: any TimeSource

    init(lifetime: Duration, behaviour: SandboxConfiguration.Tokens, time: any TimeSource) {
        self.lifetime = lifetime
        self.behaviour = behaviour
        self.time = time
    }

    func grant(to app: SandboxConfiguration.App) -> String {
        let token = RandomToken.make(prefix: "sandbox.")
        let now = time.now
        grants.withLock { grants in
            grants = grants.filter { grant in
                let isSuperseded = behaviour == .superseding && grant.value.app.clientID == app.clientID
                return grant.value.expiresAt > now && !isSuperseded
            }
            grants[token] = Grant(app: app, expiresAt: now + lifetime)
        }
        return token
    }

    enum Status {
        case valid(SandboxConfiguration.App)
        case expired
        case unknown
    }

    func status(of token: String) -> Status {
        let now = time.now
        return grants.withLock { grants in
            guard let grant = grants[token] else { return .unknown }
            return grant.expiresAt > now ? .valid(grant.app) : .expired
        }
    }

    func revoke(_ token: String) {
        grants.withLock { _ = $0.removeValue(forKey: token) }
    }

    /// Revokes all tokens, like deactivating an app.
    func revokeAll() {
        grants.withLock { $0.removeAll() }
    }
}
