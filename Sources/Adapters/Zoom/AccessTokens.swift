import Domain
import Instrumentation
import Logging
import Synchronization

/// The access token of one master account: fetched when first needed, renewed ahead of its end while it is in use, and
/// once however many calls wait for it.
actor AccessTokens {
    typealias Fetch = @Sendable (MasterCredentials) async throws(ZoomFailure) -> ZoomAnswer.TokenGrant

    private var token: AccessToken?
    private var pace = TokenRefresh()
    private var renewal: Task<Result<AccessToken, ZoomFailure>, Never>?

    /// Wakes up when the token is to be renewed.
    private var alarm: Task<Void, Never>?

    /// Whether anybody has asked for the token at hand: one that nobody uses is let expire.
    private var isInUse = false

    /// The last request for a token failed. No other is sent before `until`: for a moment, so that a fault does not turn into
    /// a storm, or for as long as Zoom's `Retry-After` says.
    private var failure: (failure: ZoomFailure, until: Moment)?

    /// Those the last token was asked for with.
    private var presented: MasterCredentials?

    /// Zoom does not know this one any more, though others may still hand it on.
    private var refusedText: Secret?

    /// What others may know of the token without waiting for us.
    private struct Seen {
        var scopes: Set<String>?
        var times: (obtained: Moment, ends: Moment)?
    }

    private let seen = Mutex(Seen())

    private let master: Name
    private let credentials: any CredentialsStore
    private let shared: (any SharedTokens)?
    private let fetch: Fetch
    private let time: any TimeSource
    private let metrics: ZoomMetrics
    private let logger: Logger

    /// A failure in words for operators.
    private let problem: @Sendable (ZoomFailure) -> ZoomProblem?

    private static let failureKept = Duration.seconds(2)

    /// Whoever would have to wait longer until a token is asked for is told instead.
    private static let pauseMax = Duration.seconds(2)

    /// In so long another replica that was refused at the same time has its new token, or one of them is the first.
    private static let headStart = Duration.milliseconds(500)

    /// A scope may have been added to the app since. As often as this it is looked at.
    private static let scopesAge = Duration.seconds(300)
    private var scopesAskedAt: Moment?

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

    /// What the last token permitted; `nil` if there was none or it did not say.
    nonisolated var scopes: Set<String>? { seen.withLock { $0.scopes } }

    /// Since when the token in use is here, and how long it is good for; `nil` without one.
    nonisolated var times: (age: Duration, left: Duration)? {
        let now = time.now
        return seen.withLock { seen in seen.times.map { (now - $0.obtained, $0.ends - now) } }
    }

    /// A token that is good for now.
    ///
    /// - Throws: also `unavailable` while Zoom's new tokens do not live.
    func current() async throws(ZoomFailure) -> AccessToken {
        isInUse = true
        let now = time.now
        if let token, let until = pace.usableUntil, now < until { return token }
        if let renewal { return try await renewal.value.get() }
        if let failure, now < failure.until { throw failure.failure.atTokenEndpoint(wait: failure.until - now) }
        let pause = pace.pause(at: now)
        guard pause <= Self.pauseMax else { throw .unavailable(wait: pause) }
        return try await renew(after: pause).value.get()
    }

    /// Zoom refused this token: the next call takes another, unless somebody already did.
    func refused(_ text: Secret) {
        guard let token, token.text == text else { return }
        forget()
        refusedText = text
        alarm?.cancel()
        var random = SystemRandomNumberGenerator()
        pace.refused(at: time.now, using: &random)
    }

    /// The token at hand does not permit something: another may, if the app does so by now.
    func lacksScope() {
        let now = time.now
        if let asked = scopesAskedAt, now - asked < Self.scopesAge { return }
        if let failure, now < failure.until { return }
        scopesAskedAt = now
        if renewal == nil { renew() }
    }

    /// The store may have other credentials than those last presented. The token at hand is used until there is one for
    /// them: an app's tokens outlive its old secret, and nobody has to wait.
    func credentialsChanged() async {
        // Other credentials do not end a time for which Zoom asks not to be asked.
        if failure?.failure.retryAfter == nil { failure = nil }
        guard token != nil, renewal == nil, let now = try? await credentials.credentials(of: master), now != presented,
            renewal == nil
        else { return }
        if let failure, time.now < failure.until {
            alarm?.cancel()
            return alarm = InstrumentationContext.$current.withValue(nil) { makeAlarm(failure.until) }
        }
        renew()
    }

    /// Returns when nothing of it is under way any more.
    func close() async {
        alarm?.cancel()
        await alarm?.value
        renewal?.cancel()
        _ = await renewal?.value
    }

    // MARK: Renewing

    /// Not a child of the caller's task: a caller that gives up must not take the token from the others.
    @discardableResult
    private func renew(after pause: Duration = .zero) -> Task<Result<AccessToken, ZoomFailure>, Never> {
        let renewal = Task { () -> Result<AccessToken, ZoomFailure> in
            defer { self.renewal = nil }
            do throws(ZoomFailure) {
                if pause > .zero { try await sleep(pause) }
                return .success(try await obtain())
            } catch {
                return .failure(failed(error))
            }
        }
        self.renewal = renewal
        return renewal
    }

    private func forget() {
        token = nil
        seen.withLock { $0.times = nil }
    }

    /// - Returns: What those are told who wait for the token.
    private func failed(_ failure: ZoomFailure) -> ZoomFailure {
        let now = time.now
        pace.failed(at: now)
        metrics.renewed(.failed)
        var metadata: Logger.Metadata = ["reason": "\(failure.reason)"]
        if let problem = problem(failure) {
            metadata = ["reason": "\(problem.reason)", "remedy": "\(problem.remedy)"]
        }
        let wait = max(failure.retryAfter ?? .zero, Self.failureKept)
        if token != nil, pace.due != nil {
            logger.warning("Zoom gives no new access token: the old one stays in use", metadata: metadata)
            self.failure = failure.retryAfter.map { _ in (failure, until: now + wait) }
            setAlarm()
        } else {
            forget()
            self.failure = (failure, until: now + wait)
            logger.warning("could not obtain an access token from Zoom", metadata: metadata)
        }
        return failure.atTokenEndpoint(wait: wait)
    }

    private func setAlarm() {
        alarm?.cancel()
        guard var due = pace.due else { return }
        if let failure { due = max(due, failure.until) }
        // Whoever asked first has nothing to do with what is asked for in an hour.
        alarm = InstrumentationContext.$current.withValue(nil) { makeAlarm(due) }
    }

    private func makeAlarm(_ due: Moment) -> Task<Void, Never> {
        Task {
            do throws(CancellationError) {
                try await time.sleep(until: due)
            } catch {
                return
            }
            if !Task.isCancelled, isInUse, renewal == nil { renew() }
        }
    }

    /// A token of another replica's, or one that is asked for with the credentials as they are, and once more if Zoom
    /// refuses them and there are others by then.
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
            let isRotation = presented.map { $0 != current } ?? false
            presented = current
            if !isRotation, let token = try await sharedToken(for: current) { return token }
            do throws(ZoomFailure) {
                let grant = try await fetch(current)
                let seconds = grant.lifetime.components.seconds
                let expires = Timestamp(secondsSinceEpoch: time.timestamp.secondsSinceEpoch + seconds)
                let token = AccessToken(text: grant.accessToken, scopes: grant.scopes, expires: expires)
                await shared?.put(token, for: current)
                logger.debug("obtained an access token", metadata: ["lifetime": "\(grant.lifetime)"])
                adopt(token, lifetime: grant.lifetime, isOurs: true)
                return token
            } catch {
                guard case .credentials = error, refused == nil else { throw error }
                refused = (current, error)
            }
        }
    }

    /// What another replica has obtained since: at once, or in the moment that others are given after a refusal that they
    /// may have met as well.
    private func sharedToken(for credentials: MasterCredentials) async throws(ZoomFailure) -> AccessToken? {
        guard let shared else { return nil }
        if let token = await adoptShared(shared, credentials) { return token }
        guard refusedText != nil else { return nil }
        try await sleep(Self.headStart * Double.random(in: 0...1))
        return await adoptShared(shared, credentials)
    }

    private func adoptShared(_ shared: any SharedTokens, _ credentials: MasterCredentials) async -> AccessToken? {
        guard let found = await shared.token(for: credentials), found.text != refusedText else { return nil }
        let now = time.timestamp.secondsSinceEpoch
        let lifetime = Duration.seconds(found.expires.secondsSinceEpoch - now)
        // Not the one at hand, nor one that has as little left.
        let atHand = token.map { Duration.seconds($0.expires.secondsSinceEpoch - now) } ?? .seconds(60)
        guard lifetime > atHand else { return nil }
        logger.debug("took over the access token of another replica", metadata: ["lifetime": "\(lifetime)"])
        adopt(found, lifetime: lifetime, isOurs: false)
        return found
    }

    private func adopt(_ token: AccessToken, lifetime: Duration, isOurs: Bool) {
        self.token = token
        failure = nil
        refusedText = nil
        isInUse = false
        var random = SystemRandomNumberGenerator()
        let now = time.now
        pace.obtained(lifetime: lifetime, isOurs: isOurs, at: now, using: &random)
        metrics.renewed(isOurs ? .obtained : .shared)
        setAlarm()
        let before = seen.withLock { seen in
            defer { seen = Seen(scopes: token.scopes, times: (now, now + lifetime)) }
            return seen.scopes
        }
        if before != token.scopes { sayWhatIsMissing(token) }
    }

    private func sayWhatIsMissing(_ token: AccessToken) {
        for operation in ZoomOperation.missing(in: token.scopes) {
            logger.warning(
                "Zoom's app lacks a scope: whoever needs this operation is refused",
                metadata: ["operation": "\(operation.title)", "any_of": "\(operation.scopes.joined(separator: ", "))"])
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
