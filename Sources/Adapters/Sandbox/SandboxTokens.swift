import Domain
import Synchronization

/// The access tokens that the sandbox issued.
final class SandboxTokens: Sendable {
    private struct Grant {
        let app: SandboxConfiguration.App
        let expiresAt: Moment
    }

    private let grants = Mutex<[String: Grant]>([:])
    private let lifetime: Duration
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
                let isEnded = behaviour == .superseding && grant.value.app.clientID == app.clientID
                return grant.value.expiresAt > now && !isEnded
            }
            grants[token] = Grant(app: app, expiresAt: now + lifetime)
        }
        return token
    }

    enum Standing {
        case good(SandboxConfiguration.App)
        case expired
        case unknown
    }

    func standing(of token: String) -> Standing {
        let now = time.now
        return grants.withLock { grants in
            guard let grant = grants[token] else { return .unknown }
            return grant.expiresAt > now ? .good(grant.app) : .expired
        }
    }

    func revoke(_ token: String) {
        grants.withLock { _ = $0.removeValue(forKey: token) }
    }

    /// Revokes every token, as deactivating an app does.
    func revokeAll() {
        grants.withLock { $0.removeAll() }
    }
}
