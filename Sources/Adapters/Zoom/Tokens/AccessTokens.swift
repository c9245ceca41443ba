import Domain
import Instrumentation
import Logging
import Synchronization

/// The access token of one master account. It is obtained when first needed, once for all calls that wait for it, and refreshed
/// before it expires while it is in use.
actor AccessTokens {
    typealias Fetch = @Sendable (MasterCredentials) async throws(ZoomFailure) -> TokenGrant

    private var token: AccessToken?
    private var schedule = TokenRefresh()
    private var refreshTask: Task<Result<AccessToken, ZoomFailure>, Never>?

    /// Waits for the token's refresh time, then refreshes it.
    private var refreshTimer: Task<Void, Never>?

    /// The failure of the last request for a token. No other request is sent before `retryAt`: `failurePause` later, or when
    /// Zoom's `Retry-After` ends.
    private var failure: (failure: ZoomFailure, retryAt: Moment)?

    /// The credentials of the last request for a token.
    private var lastCredentials: MasterCredentials?

    /// The last token that Zoom refused. Other replicas may still share it.
    private var refusedToken: Secret?

    /// State that is read from outside the actor: a call need not wait for the actor while there is a usable token.
    private struct Snapshot {
        var scopes: Set<String>?
        var times: (obtained: Moment, ends: Moment)?

        /// The current token, and until when it is sent.
        var usable: (token: AccessToken, until: Moment)?

        /// Whether a call has used the current token. An unused token is not refreshed and expires.
        var isInUse = false
    }

    private let snapshot = Mutex(Snapshot())

    private let master: Name
    private let credentials: any CredentialsStore
    private let shared: (any SharedTokens)?
    private let fetch: Fetch
    private let time: any TimeSource
    private let metrics: ZoomMetrics
    private let logger: Logger

    /// The failure as operators read it.
    private let problem: @Sendable (ZoomFailure) -> ZoomProblem?

    /// The pause after a failure without a `Retry-After`, so that a fault does not cause a burst of requests.
    private static let failurePause = Duration.seconds(2)

    /// The longest pause before a request for a token that a call waits for. Beyond it the call fails at once.
    private static let pauseMax = Duration.seconds(2)

    /// How often a token is refreshed for a missing scope, which may have been added to the app.
    private static let scopeRefreshInterval = Duration.seconds(300)
    private var scopesRefreshedAt: Moment?

    init(
        master: Name, credentials: any CredentialsStore, shared: (any SharedTokens)?, time: any TimeSource,
        metrics: ZoomMetrics, logger: Logger, problem: @escaping @Sendable (ZoomFailure) -> ZoomProblem?,
        fetch: @escaping Fetch
    ) {
        self.problem = problem
        self.master = master
        self.credentials = credentials
        self.shared = shared
        self.time = time
        self.metrics = metrics
        self.logger = logger
        self.fetch = fetch
    }

    /// The scopes of the last token; `nil` if there was no token, or Zoom did not state its scopes.
    nonisolated var scopes: Set<String>? { snapshot.withLock { $0.scopes } }

    /// The age of the token in use, and the time until it expires; `nil` without a token.
    nonisolated var times: (age: Duration, left: Duration)? {
        let now = time.now
        return snapshot.withLock { snapshot in snapshot.times.map { (now - $0.obtained, $0.ends - now) } }
    }

    /// The current token, obtained if there is none.
    ///
    /// - Throws: `token`, `credentials`, `transport(.cancelled)`; `unavailable` while Zoom refuses each new token early.
    nonisolated func current() async throws(ZoomFailure) -> AccessToken {
        let now = time.now
        let usable = snapshot.withLock { snapshot -> AccessToken? in
            snapshot.isInUse = true
            return snapshot.usable.flatMap { now < $0.until ? $0.token : nil }
        }
        if let usable { return usable }
        return try await obtained()
    }

    private func obtained() async throws(ZoomFailure) -> AccessToken {
        let now = time.now
        if let token, let until = schedule.usableUntil, now < until { return token }
        if let refreshTask { return try await refreshTask.value.get() }
        if let failure, now < failure.retryAt { throw failure.failure.atTokenEndpoint(wait: failure.retryAt - now) }
        let pause = schedule.pause(at: now)
        guard pause <= Self.pauseMax else { throw .unavailable(wait: pause) }
        return try await refresh(after: pause).value.get()
    }

    /// Discards a token that Zoom refused, unless it was replaced already. The next call obtains another.
    func invalidate(_ text: Secret) {
        guard let token, token.text == text else { return }
        forget()
        refusedToken = text
        refreshTimer?.cancel()
        var random = SystemRandomNumberGenerator()
        schedule.refused(at: time.now, using: &random)
    }

    /// Refreshes a token that lacks a scope, since the scope may have been added to the app.
    func refreshForMissingScope() {
        let now = time.now
        if let refreshed = scopesRefreshedAt, now - refreshed < Self.scopeRefreshInterval { return }
        if let failure, now < failure.retryAt { return }
        scopesRefreshedAt = now
        if refreshTask == nil { refresh() }
    }

    /// Refreshes the token if the stored credentials have changed. The old token is used until the new one is there: an app's
    /// tokens stay valid when its secret changes.
    func credentialsChanged() async {
        // Zoom's `Retry-After` applies to the new credentials as well.
        if failure?.failure.retryAfter == nil { failure = nil }
        guard token != nil, refreshTask == nil, let stored = try? await credentials.credentials(of: master),
            stored != lastCredentials, refreshTask == nil
        else { return }
        if let failure, time.now < failure.retryAt {
            refreshTimer?.cancel()
            return refreshTimer = InstrumentationContext.$current.withValue(nil) { makeTimer(failure.retryAt) }
        }
        refresh()
    }

    /// Cancels the refresh, and returns when its tasks have ended.
    func close() async {
        refreshTimer?.cancel()
        await refreshTimer?.value
        refreshTask?.cancel()
        _ = await refreshTask?.value
    }

    // MARK: Refreshing

    /// Starts a refresh. It is no child of the caller's task, since other calls wait for the token as well.
    @discardableResult
    private func refresh(after pause: Duration = .zero) -> Task<Result<AccessToken, ZoomFailure>, Never> {
        let refreshTask = Task { () -> Result<AccessToken, ZoomFailure> in
            defer { self.refreshTask = nil }
            do throws(ZoomFailure) {
                if pause > .zero { try await sleep(pause) }
                return .success(try await obtain())
            } catch {
                return .failure(recordFailure(error))
            }
        }
        self.refreshTask = refreshTask
        return refreshTask
    }

    private func forget() {
        token = nil
        snapshot.withLock { snapshot in
            snapshot.times = nil
            snapshot.usable = nil
        }
    }

    /// Records a failed refresh.
    ///
    /// - Returns: The failure of the calls that wait for the token.
    private func recordFailure(_ failure: ZoomFailure) -> ZoomFailure {
        let now = time.now
        schedule.failed(at: now)
        metrics.countRefresh(.failed)
        var metadata: Logger.Metadata = ["reason": "\(failure.reason)"]
        if let problem = problem(failure) {
            metadata = ["reason": "\(problem.reason)", "remedy": "\(problem.remedy)"]
        }
        let wait = max(failure.retryAfter ?? .zero, Self.failurePause)
        if token != nil, schedule.due != nil {
            logger.warning("Zoom gives no new access token: the old one stays in use", metadata: metadata)
            self.failure = failure.retryAfter.map { _ in (failure, retryAt: now + wait) }
            startTimer()
        } else {
            forget()
            self.failure = (failure, retryAt: now + wait)
            logger.warning("could not obtain an access token from Zoom", metadata: metadata)
        }
        return failure.atTokenEndpoint(wait: wait)
    }

    private func startTimer() {
        refreshTimer?.cancel()
        guard var due = schedule.due else { return }
        if let failure { due = max(due, failure.retryAt) }
        // The later refresh must not belong to the trace of this call.
        refreshTimer = InstrumentationContext.$current.withValue(nil) { makeTimer(due) }
    }

    private func makeTimer(_ due: Moment) -> Task<Void, Never> {
        Task {
            do throws(CancellationError) {
                try await time.sleep(until: due)
            } catch {
                return
            }
            if !Task.isCancelled, snapshot.withLock({ $0.isInUse }), refreshTask == nil { refresh() }
        }
    }

    /// Takes the token of another replica, or requests one with the stored credentials. If Zoom refuses them and the store
    /// has other credentials by then, it requests one once more.
    private func obtain() async throws(ZoomFailure) -> AccessToken {
        var refused: (credentials: MasterCredentials, failure: ZoomFailure)?
        while true {
            let current: MasterCredentials
            do throws(BillingFailure) {
                current = try await credentials.credentials(of: master)
            } catch {
                throw .credentials(.missing)
            }
            if let refused, current == refused.credentials { throw refused.failure }
            let digest = current.secretDigest
            // Only a token that was obtained with the new secret proves that it works.
            let isRotation = lastCredentials.map { $0 != current } ?? false
            lastCredentials = current
            let fence: TokenFence?
            switch try await acquire(
                .init(refused: refusedToken, current: token, secretDigest: isRotation ? digest : nil), with: current)
            {
            case .shared(let token): return token
            case .request(let right): fence = right
            }
            do throws(ZoomFailure) {
                let grant = try await fetch(current)
                let seconds = grant.lifetime.components.seconds
                let expires = Timestamp(secondsSinceEpoch: time.timestamp.secondsSinceEpoch + seconds)
                let token = AccessToken(
                    text: grant.accessToken, scopes: grant.scopes, expires: expires, secretDigest: digest)
                await shared?.put(token, for: current, fence: fence)
                logger.debug("obtained an access token", metadata: ["lifetime": "\(grant.lifetime)"])
                adopt(token, lifetime: grant.lifetime, isOurs: true)
                return token
            } catch {
                if let fence { await shared?.endRefresh(fence, for: current) }
                guard case .credentials = error, refused == nil else { throw error }
                refused = (current, error)
            }
        }
    }

    private enum Acquired {
        case shared(AccessToken)
        case request(TokenFence?)
    }

    /// Takes the token of another replica, or gets the right to request one.
    private func acquire(
        _ wanted: TokenAcquisition.Wanted, with credentials: MasterCredentials
    ) async throws(ZoomFailure) -> Acquired {
        var acquisition = TokenAcquisition(wanted, isShared: shared != nil, at: time.now)
        var random = SystemRandomNumberGenerator()
        while true {
            switch acquisition.step {
            case .lookUp:
                let found = await shared?.token(for: credentials)
                acquisition.found(found, at: time.now, time.timestamp, using: &random)
            case .wait(let duration):
                try await sleep(duration)
                acquisition.waited()
            case .begin:
                let called = time.now
                let right = await shared?.beginRefresh(for: credentials) ?? .none
                acquisition.answered(right, called: called, at: time.now)
            case .end(let fence):
                await shared?.endRefresh(fence, for: credentials)
                acquisition.ended()
            case .request(let fence): return .request(fence)
            case .use(let token):
                adoptShared(token)
                return .shared(token)
            }
        }
    }

    private func adoptShared(_ token: AccessToken) {
        let lifetime = Duration.seconds(token.expires.secondsSinceEpoch - time.timestamp.secondsSinceEpoch)
        logger.debug("took over the access token of another replica", metadata: ["lifetime": "\(lifetime)"])
        adopt(token, lifetime: lifetime, isOurs: false)
    }

    private func adopt(_ token: AccessToken, lifetime: Duration, isOurs: Bool) {
        self.token = token
        failure = nil
        refusedToken = nil
        var random = SystemRandomNumberGenerator()
        let now = time.now
        schedule.obtained(lifetime: lifetime, isOurs: isOurs, at: now, using: &random)
        metrics.countRefresh(isOurs ? .obtained : .shared)
        startTimer()
        let scopesBefore = snapshot.withLock { snapshot in
            defer {
                snapshot = Snapshot(
                    scopes: token.scopes, times: (now, now + lifetime),
                    usable: schedule.usableUntil.map { (token, $0) })
            }
            return snapshot.scopes
        }
        if scopesBefore != token.scopes { logMissingScopes(of: token) }
    }

    private func logMissingScopes(of token: AccessToken) {
        for operation in Operation.missing(in: token.scopes) {
            logger.warning(
                "Zoom's app lacks a scope: requests for this operation are refused",
                metadata: [
                    "operation": "\(operation.title)",
                    "any_of": "\(operation.endpoint.scopes.joined(separator: ", "))",
                ])
        }
    }

    private func sleep(_ duration: Duration) async throws(ZoomFailure) {
        do throws(CancellationError) {
            try await time.sleep(until: time.now + duration)
        } catch {
            throw .transport(.cancelled)
        }
    }
}

extension MasterCredentials {
    /// Identifies the client secret, without revealing it.
    fileprivate var secretDigest: [UInt8] {
        let identity = "\(accountID)\n\(clientID)\n"
        return SHA256Digest(of: (Array(identity.utf8) + clientSecret.bytes)[...]).bytes
    }
}
