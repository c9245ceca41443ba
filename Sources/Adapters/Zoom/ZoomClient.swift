package import Domain
import FoundationEssentials
import Instrumentation
import Logging
import Metrics
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization
import Tracing

/// Zoom's Billing API for one master account: one connection, one pace.
package final class ZoomClient: Sendable {
    private let master: Name
    private let configuration: ZoomConfiguration
    private let http: HTTPClient
    private let tokens: AccessTokens
    private let tokenEndpoint: TokenEndpoint
    private let gates: [ZoomRateLabel: RateLimiter]
    private let time: any TimeSource
    private let logger: Logger
    private let metrics: ZoomMetrics
    private let tracer: ServiceTracer
    private let lastOutcome = Mutex(Standing.notAsked)
    private let trouble = Mutex(Trouble())
    private let problemLog: ZoomProblemLog

    /// What of Zoom's failures is remembered.
    private struct Trouble {
        var circuits = ZoomCircuits()
        var retries = RetryBudget()
        var pauses = KeyedPauses<LimitKey>()
    }

    /// What Zoom limits besides the rate of a label: an operation, for one account if it is about one.
    private struct LimitKey: Hashable, Sendable {
        let operation: ZoomOperation
        let account: AccountID?
    }

    /// How the last call to Zoom went, as far as it says something about all calls.
    package enum Standing: Sendable, Equatable {
        case notAsked
        case good
        /// Zoom refuses our credentials, or what they may do.
        case refused
        /// Zoom, or the way there, fails.
        case failing(ZoomProblem)
    }

    package var standing: Standing { lastOutcome.withLock { $0 } }

    /// What the app lacks the scopes for, as far as Zoom says what it has.
    package var missingOperations: [ZoomOperation] { ZoomOperation.missing(in: tokens.scopes) }

    /// The most that Zoom gives out at a time (Zoom: List sub accounts).
    private static let pageSize = 300

    /// How many tokens a call is made with besides the first: `TokenRefresh` sees to it that they are not taken in a rush.
    private static let renewalsMax = 3

    /// How long a job waits for a token that is not refused.
    private static let jobTokenTime = Duration.seconds(60)

    init(
        master: Name, configuration: ZoomConfiguration, credentials: any CredentialsStore,
        sharedTokens: (any SharedTokens)?, group: MultiThreadedEventLoopGroup, time: any TimeSource,
        metrics factory: any MetricsFactory, tracer: ServiceTracer, logger: Logger
    ) {
        let metrics = ZoomMetrics(master: master, metrics: factory)
        self.metrics = metrics
        self.tracer = tracer
        self.master = master
        self.configuration = configuration
        self.time = time
        var logger = logger
        logger[metadataKey: "master"] = "\(master)"
        self.logger = logger
        problemLog = ZoomProblemLog(time: time, logger: logger)
        http = HTTPClient(
            origin: configuration.api.origin, group: group, configuration: configuration.http, logger: logger)
        let tokenEndpoint = TokenEndpoint(configuration: configuration, group: group, time: time, logger: logger)
        self.tokenEndpoint = tokenEndpoint
        var gates: [ZoomRateLabel: RateLimiter] = [:]
        for (label, rules) in configuration.rates {
            gates[label] = RateLimiter(
                label, rules: rules, queueTimeout: configuration.waitMax, time: time, metrics: metrics)
        }
        self.gates = gates
        tokens = AccessTokens(
            master: master, credentials: credentials, shared: sharedTokens, time: time, metrics: metrics,
            logger: logger,
            problem: { ZoomProblem(obtainingToken: $0, configuration) }
        ) { credentials async throws(ZoomFailure) in
            try await Self.token(for: credentials, of: tokenEndpoint, metrics, tracer)
        }
    }

    private static func token(
        for credentials: MasterCredentials, of endpoint: TokenEndpoint, _ metrics: ZoomMetrics, _ tracer: ServiceTracer
    ) async throws(ZoomFailure) -> ZoomAnswer.TokenGrant {
        let began = NIODeadline.now()
        let span = tracer.startSpan("token", ofKind: .client)
        defer { span.end() }
        let exchanged = { (result: Result<Int, HTTPFailure>) in
            metrics.exchanged("POST", "token", endpoint.origin, result, after: NIODeadline.now() - began)
        }
        do throws(ZoomFailure) {
            let grant = try await endpoint.token(for: credentials)
            exchanged(.success(200))
            metrics.called(ZoomMetrics.tokenOperation, .ok)
            return grant
        } catch {
            switch error {
            case .transport(let failure): exchanged(.failure(failure))
            case .api(let status, _, _, _): exchanged(.success(status))
            case .credentials: exchanged(.success(400))
            case .unreadable: exchanged(.success(200))
            case .misaddressed, .token, .rateLimited, .dailyQuotaSpent, .unavailable, .scopesMissing: break
            }
            let isRefused = if case .credentials = error { true } else { false }
            metrics.called(ZoomMetrics.tokenOperation, isRefused ? .refused : error.metricsOutcome)
            span.recordError(error)
            throw error
        }
    }

    /// How it stands with each class of operations, and with the token.
    package var standings: [(label: ZoomRateLabel, budget: RateBudget.Standing)] {
        gates.sorted { $0.key.rawValue < $1.key.rawValue }.map { ($0.key, $0.value.standing) }
    }

    package var isCircuitOpen: Bool { trouble.withLock { !$0.circuits.isClosed } }

    /// The age of the token in use and how long it is good for; `nil` without one.
    package var tokenTimes: (age: Duration, left: Duration)? { tokens.times }

    /// Ends the connections once the requests on them have ended, and makes no other.
    package func close() async {
        for gate in gates.values { gate.close() }
        await tokens.close()
        await http.close()
        await tokenEndpoint.close()
    }

    /// There are other credentials than there were: a failure with the old ones no longer stands, and a token is fetched
    /// with the new ones while the one at hand goes on being used.
    func credentialsChanged() async {
        await tokens.credentialsChanged()
    }

    /// Obtains a token ahead of the first call, and finds out what it permits.
    func obtainToken() async {
        do throws(ZoomFailure) {
            _ = try await tokens.current()
        } catch {
            if case .credentials = error { return note(.refused) }
            if let problem = ZoomProblem(error, configuration) { note(.failing(problem)) }
        }
    }

    // MARK: Operations

    package func billing(of account: AccountID, for purpose: Purpose) async throws(BillingFailure) -> AccountBilling {
        do throws(ZoomFailure) {
            // An account id needs no escaping in a path segment: that is what makes it one.
            let object = try await get(
                .getBillingInformation, "/accounts/\(account)/billing", of: account,
                bodyBytesMax: configuration.bodyBytesMax, for: purpose)
            let contact = try ZoomAnswer.contact(object)
            if !contact.missing.isEmpty {
                logger.debug(
                    "Zoom left out fields of a billing contact",
                    metadata: ["fields": "\(contact.missing.map { "\($0)" }.sorted().joined(separator: ", "))"])
            }
            return .masterPays(contact)
        } catch {
            if error.isSelfPay { return .selfPay }
            throw translate(error, account: account)
        }
    }

    package func page(
        _ filter: SubAccountFilter, token: String?, for purpose: Purpose
    ) async throws(BillingFailure) -> SubAccountPage {
        var target = "/accounts?page_size=\(Self.pageSize)"
        if let reseller = filter.reseller { target += "&sub_reseller_id=\(PercentEncoding.encode(reseller))" }
        if let token { target += "&next_page_token=\(PercentEncoding.encode(token))" }
        do throws(ZoomFailure) {
            let object = try await get(
                .listSubAccounts, target, bodyBytesMax: configuration.listBodyBytesMax, for: purpose)
            return try ZoomAnswer.accountPage(object)
        } catch {
            // What Zoom says of a token that is too old (Zoom: pagination); nothing else of the request could be wrong.
            if case .api(_, 300, _, _) = error, token != nil { throw .invalid([]) }
            throw translate(error, account: nil)
        }
    }

    /// Whether requests wait for a permit of the rate limiter now.
    package var hasQueuedRequests: Bool { gates[.medium]?.isBusy ?? false }

    // MARK: Calls

    /// A GET, tried again while that may help: at once with a new token if Zoom does not know the one it was given, and on a
    /// new connection if the one at hand was lost, once each. An interactive read is repeated with back-off after passing
    /// failures, as often as `RetrySchedule` and `RetryBudget` let it. A job repeats its reads itself (`BulkRetry`): each
    /// waits for a permit of its own, so they need no retry budget.
    private func get(
        _ operation: ZoomOperation, _ target: String, of account: AccountID? = nil, bodyBytesMax: Int,
        for purpose: Purpose
    ) async throws(ZoomFailure) -> JSONObject {
        let key = LimitKey(operation: operation, account: account)
        let isInteractive = purpose.priority == .interactive
        let began = time.now
        let timeMax = configuration.interactiveTimeMax
        let retryTime = timeMax.map { min(configuration.retryTime, $0) } ?? configuration.retryTime
        var schedule = RetrySchedule(deadline: began + (isInteractive ? retryTime : Self.jobTokenTime))
        let queueTimeout = purpose.queueTimeout ?? configuration.waitMax
        let queueEnd = isInteractive ? began + (timeMax.map { min(queueTimeout, $0) } ?? queueTimeout) : nil
        var hasReconnected = false
        var last: ZoomFailure?
        // All pages of the list are one target, whose token and filter do not matter.
        var call = ZoomCircuits.Call(
            String(target.prefix { $0 != "?" }), began: began, isRepeated: purpose.isRetry)
        if isInteractive { trouble.withLock { $0.retries.asked() } }
        while true {
            do throws(ZoomFailure) {
                if let wait = trouble.withLock({ $0.pauses.wait(for: key, at: time.now) }) {
                    metrics.called(operation.title, .notSent)
                    throw .rateLimited(wait: wait)
                }
                return try await getOnce(
                    operation, target, key, bodyBytesMax: bodyBytesMax, for: purpose, queueEnd: queueEnd, &call)
            } catch {
                // If the circuit opens during a retry, report the failure before it.
                if case .unavailable = error, let last { throw last }
                last = error
                if error.isConnectionFault, !hasReconnected {
                    hasReconnected = true
                    continue
                }
                // A refused token fails every lookup of a job, so it is worth waiting for a good one.
                guard isInteractive || error.isTokenRefused,
                    case .again(let retryAfter) = error.remedyForRead(isPatient: !isInteractive)
                else { throw error }
                var random = SystemRandomNumberGenerator()
                guard let next = schedule.next(retryAfter: retryAfter, at: time.now, using: &random),
                    !isInteractive || trouble.withLock({ $0.retries.take() })
                else { throw error }
                do throws(CancellationError) {
                    try await time.sleep(until: next)
                } catch {
                    throw .transport(.cancelled)
                }
                logger.debug("a call to Zoom is tried again", metadata: ["reason": "\(error.reason)"])
            }
        }
    }

    /// Once, or once more with another token if the first was refused. Where new tokens end older ones, the next may be
    /// another replica's and be ended in its turn.
    ///
    /// - Parameter queueEnd: Until when it waits for a permit; `nil` for as long as the purpose says.
    private func getOnce(
        _ operation: ZoomOperation, _ target: String, _ key: LimitKey, bodyBytesMax: Int, for purpose: Purpose,
        queueEnd: Moment?, _ call: inout ZoomCircuits.Call
    ) async throws(ZoomFailure) -> JSONObject {
        var renewals = 0
        let gate = gates[operation.label]
        while true {
            call.began = time.now
            let admission = trouble.withLock { [call] trouble in trouble.circuits.enter(call, at: time.now) }
            if case .refused(let wait) = admission {
                metrics.called(operation.title, .notSent)
                throw .unavailable(wait: wait)
            }
            do throws(ZoomFailure) {
                // Before the gate: who has been let through goes at once, and does not wait for a token with others.
                let permit = try await tokens.current()
                guard permit.scopes.map(operation.isPermitted(by:)) ?? true else {
                    await tokens.lacksScope()
                    throw .scopesMissing(operation.scopes)
                }
                let waiting = queueEnd.map { purpose.waiting(atMost: max($0 - time.now, .zero)) } ?? purpose
                let sent = try await gate?.pass(waiting)
                let token = try await tokens.current().text
                call.began = time.now
                do throws(ZoomFailure) {
                    let object = try await send(
                        operation, target, token: token, bodyBytesMax: bodyBytesMax, for: purpose
                    ) { rate in
                        if let sent { gate?.answered(rate, sent: sent) }
                        if case .single(let wait)? = rate.refusal {
                            let now = time.now
                            trouble.withLock { $0.pauses.pause(key, until: now + wait, at: now) }
                        }
                    }
                    remember(nil, &call)
                    note(.good)
                    return object
                } catch {
                    if error.isScopeMissing {
                        await tokens.lacksScope()
                        throw .scopesMissing(operation.scopes)
                    }
                    guard error.isTokenRefused else { throw error }
                    await tokens.refused(token)
                    guard renewals < Self.renewalsMax else { throw error }
                    // A refusal shows that Zoom answers: a half-open circuit admits the next attempt.
                    remember(error, &call)
                    renewals += 1
                }
            } catch {
                // What was sent has been counted.
                if error.metricsOutcome == .notSent { metrics.called(operation.title, .notSent) }
                remember(error, &call)
                throw error
            }
        }
    }

    private func remember(_ failure: ZoomFailure?, _ call: inout ZoomCircuits.Call) {
        let ended = trouble.withLock { [call] trouble in
            var call = call
            let wasClosed = trouble.circuits.isClosed
            trouble.circuits.ended(failure?.evidence ?? .answered, &call, at: time.now)
            return (call: call, wasClosed: wasClosed, isClosed: trouble.circuits.isClosed)
        }
        call = ended.call
        let (wasClosed, isClosed) = (ended.wasClosed, ended.isClosed)
        if wasClosed, !isClosed {
            logger.warning("Zoom fails again and again: it is left alone, and asked once in a while whether it is back")
        } else if !wasClosed, isClosed {
            logger.info("Zoom answers again")
        }
    }

    private func send(
        _ operation: ZoomOperation, _ target: String, token: Secret, bodyBytesMax: Int, for purpose: Purpose,
        answered: (ZoomRateFields) -> Void
    ) async throws(ZoomFailure) -> JSONObject {
        // A stream of a million accounts is one piece of work, and not a million.
        let span = purpose.priority == .interactive ? tracer.startSpan(operation.title, ofKind: .client) : nil
        defer { span?.end() }
        UpstreamCalls.current?.add()
        let began = NIODeadline.now()
        func ended(_ result: Result<Int, HTTPFailure>) {
            metrics.exchanged(
                "GET", operation.template, http.origin, result, after: NIODeadline.now() - began)
            guard let span, span.isRecording else { return }
            span.attributes["http.request.method"] = "GET"
            span.attributes["url.template"] = operation.template
            span.attributes["server.address"] = http.origin.host
            switch result {
            case .success(let status):
                span.attributes["http.response.status_code"] = status
                if status >= 400 { span.setStatus(SpanStatus(code: .error)) }
            case .failure(let failure):
                span.attributes["error.type"] = failure.kind
                span.setStatus(SpanStatus(code: .error))
            }
        }
        do throws(ZoomFailure) {
            let response = try await response(
                to: target, token: token, bodyBytesMax: bodyBytesMax, span?.context ?? .current, ended: ended)
            let object = try read(response, of: operation, answered: answered)
            metrics.called(operation.title, .ok)
            return object
        } catch {
            metrics.called(operation.title, error.metricsOutcome)
            throw error
        }
    }

    private func response(
        to target: String, token: Secret, bodyBytesMax: Int, _ context: InstrumentationContext?,
        ended: (Result<Int, HTTPFailure>) -> Void
    ) async throws(ZoomFailure) -> ClientResponse {
        var request = configuration.request(target, token: token)
        if let trace = context?.trace { request.append(trace) }
        do throws(HTTPFailure) {
            let response = try await http.exchange(
                request, bodyBytesMax: bodyBytesMax, timeout: configuration.timeout)
            ended(.success(response.status))
            return response
        } catch {
            ended(.failure(error))
            throw .transport(error)
        }
    }

    private func read(
        _ response: ClientResponse, of operation: ZoomOperation, answered: (ZoomRateFields) -> Void
    ) throws(ZoomFailure) -> JSONObject {
        let rate = ZoomRateFields(response, label: operation.label, now: time.timestamp)
        answered(rate)
        switch rate.refusal {
        case .perDay(let retryAfter)?:
            let now = time.timestamp
            let left = DailyQuota.end(of: now).secondsSinceEpoch - now.secondsSinceEpoch
            throw .dailyQuotaSpent(wait: retryAfter ?? .seconds(left))
        case .single(let wait)?: throw .api(status: 429, code: 429, message: "", retryAfter: wait)
        case .perSecond?, nil: break
        }
        return try ZoomAnswer.object(of: response, now: time.timestamp)
    }

    private func note(_ standing: Standing) {
        lastOutcome.withLock { $0 = standing }
    }

    private func translate(_ failure: ZoomFailure, account: AccountID?) -> BillingFailure {
        let translated = failure.billingFailure(account: account)
        if translated.isSourceTrouble(failure), let problem = ZoomProblem(failure, configuration) {
            problemLog.report(problem)
            if failure.isAnswerByZoom { note(.good) } else { note(.failing(problem)) }
        }
        switch translated {
        case .credentialsRefused:
            note(.refused)
            logger.warning("Zoom refused our credentials", metadata: ["reason": "\(failure.reason)"])
        case .sourceFailed, .sourceRejected, .timedOut:
            logger.debug("a call to Zoom failed", metadata: ["reason": "\(failure.reason)"])
        case .selfPay, .accountNotFound:
            note(.good)
        case .permissionMissing:
            note(.good)
            logger.debug("a call needs a scope that Zoom's app lacks", metadata: ["reason": "\(failure.reason)"])
        case .sourceUnavailable, .invalid, .scopeMissing, .rateLimited, .dailyQuotaSpent, .notCached,
            .accountListUnusable, .cancelled:
            break
        }
        return translated
    }
}

extension BillingFailure {
    /// The call failed for a reason that lies with Zoom or the way there.
    fileprivate func isSourceTrouble(_ failure: ZoomFailure) -> Bool {
        switch self {
        case .sourceFailed, .sourceRejected, .sourceUnavailable, .timedOut, .accountListUnusable: true
        // The API's own rate limit is met in ordinary use; that of the token endpoint is not.
        case .rateLimited: if case .token = failure { true } else { false }
        case .invalid, .selfPay, .accountNotFound, .scopeMissing, .dailyQuotaSpent, .credentialsRefused,
            .permissionMissing,
            .notCached, .cancelled:
            false
        }
    }
}

extension ZoomFailure {
    /// Zoom answered, with what does not help here.
    fileprivate var isAnswerByZoom: Bool {
        if case .misaddressed = self { return false }
        return evidence == .answered
    }

    /// The connection, not the request, was at fault.
    var isConnectionFault: Bool {
        switch self {
        case .transport(let failure): failure.isUnprocessed || failure == .connectionLost
        case .api, .unreadable, .misaddressed, .token, .rateLimited, .dailyQuotaSpent, .unavailable, .credentials,
            .scopesMissing:
            false
        }
    }

    /// For the log: status and code, never Zoom's text, which may hold what was sent.
    var reason: String {
        switch self {
        case .api(let status, let code, _, _): "status \(status), code \(code.map(String.init) ?? "none")"
        case .transport(let failure): "\(failure)"
        case .unreadable: "unreadable answer"
        case .misaddressed(let fault): fault.reason
        case .token(let failure, _): "no access token: \(failure.reason)"
        case .rateLimited: "own pace"
        case .dailyQuotaSpent: "the day's requests are spent"
        case .unavailable: "not asked after many failures"
        case .credentials(let fault): "credentials: \(fault.rawValue)"
        case .scopesMissing(let scopes): "none of the scopes \(scopes.joined(separator: ", "))"
        }
    }
}
