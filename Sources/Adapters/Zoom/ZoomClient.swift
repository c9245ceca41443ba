package import Domain
import Logging
import Metrics
import NIOPosix
import Synchronization

/// Zoom's API for one master account.
package final class ZoomClient: Sendable {
    private let configuration: ZoomConfiguration
    private let http: HTTPClient
    private let files: ZoomFileClient
    private let tokens: AccessTokens
    private let tokenEndpoint: TokenEndpoint
    private let limiters: [ZoomRateLabel: RateLimiter]
    private let transport: ZoomTransport
    private let retryLoop: ZoomRetryLoop
    let logger: Logger
    private let knownKinds = Mutex<Set<String>>([])
    private let lastHealth = Mutex(ZoomHealth.unknown)
    private let problemLog: ZoomProblemLog

    init(
        master: Name, account: AccountID, configuration: ZoomConfiguration, credentials: any CredentialsStore,
        sharedTokens: (any SharedTokens)?, sharedRates: (any SharedRates)?, sharedQuotas: (any SharedQuotas)?,
        group: MultiThreadedEventLoopGroup, time: any TimeSource, metrics factory: any MetricsFactory,
        tracer: ServiceTracer, logger: Logger
    ) {
        let metrics = ZoomMetrics(master: master, metrics: factory)
        self.configuration = configuration
        var logger = logger
        logger[metadataKey: "master"] = "\(master)"
        self.logger = logger
        problemLog = ZoomProblemLog(time: time, logger: logger)
        http = HTTPClient(
            origin: configuration.api.origin, group: group, configuration: configuration.http, logger: logger)
        files = ZoomFileClient(configuration: configuration, group: group, logger: logger)
        let tokenEndpoint = TokenEndpoint(configuration: configuration, group: group, time: time, logger: logger)
        self.tokenEndpoint = tokenEndpoint
        var limiters: [ZoomRateLabel: RateLimiter] = [:]
        for (label, rules) in configuration.rates {
            let sharing = sharedRates.map { rates in
                RateLimiter.SharedLedger(
                    rates: rates, limit: SharedLimit(master: account, label: label.rawValue),
                    replicas: configuration.replicasAssumed)
            }
            limiters[label] = RateLimiter(
                label, rules: rules, queueTimeout: configuration.waitMax, sharing: sharing, time: time,
                metrics: metrics)
        }
        self.limiters = limiters
        tokens = AccessTokens(
            master: master, credentials: credentials, shared: sharedTokens, time: time, metrics: metrics,
            logger: logger,
            problem: { ZoomProblem(obtainingToken: $0, configuration) }
        ) { credentials async throws(ZoomFailure) in
            try await tokenEndpoint.token(for: credentials, metrics, tracer)
        }
        transport = ZoomTransport(
            configuration: configuration, http: http, files: files, tokens: tokens, limiters: limiters,
            sharedQuotas: sharedQuotas.map { SharedAccountQuotas(quotas: $0, master: account) }, time: time,
            metrics: metrics, tracer: tracer, logger: logger)
        retryLoop = ZoomRetryLoop(transport: transport, configuration: configuration, time: time, logger: logger)
    }

    /// Ends the connections once their requests have ended. Later requests fail.
    package func close() async {
        for limiter in limiters.values { limiter.close() }
        await tokens.close()
        await http.close()
        await files.close()
        await tokenEndpoint.close()
    }

    // MARK: State

    package var health: ZoomHealth { lastHealth.withLock { $0 } }

    /// Operations that the app lacks the scopes for, if the scopes of its token are known.
    package var missingOperations: [Operation] { Operation.missing(in: tokens.scopes) }

    /// The state of each rate limit.
    package var budgets: [(label: ZoomRateLabel, budget: RateBudget.Usage)] {
        limiters.sorted { $0.key.rawValue < $1.key.rawValue }.map { ($0.key, $0.value.usage) }
    }

    /// Whether requests for an operation wait for a permit of the rate limiter now.
    func hasQueuedRequests(for operation: Operation) -> Bool {
        limiters[operation.endpoint.rateLabel]?.hasQueuedRequests ?? false
    }

    package var isCircuitOpen: Bool { transport.isCircuitOpen }

    /// The age of the token in use, and the time until it expires; `nil` without a token.
    package var tokenTimes: (age: Duration, left: Duration)? { tokens.times }

    // MARK: Tokens

    /// Replaces the access token after a change of the credentials. The old token is used until the new one is there. A
    /// failure with the old credentials no longer delays the next request for a token.
    func credentialsChanged() async {
        await tokens.credentialsChanged()
    }

    /// Obtains a token ahead of the first call, so that wrong credentials and missing scopes are reported early.
    func obtainToken() async {
        do throws(ZoomFailure) {
            _ = try await tokens.current()
        } catch {
            if case .credentials = error { return record(.credentialsRefused) }
            if let problem = ZoomProblem(error, configuration) { record(.failing(problem)) }
        }
    }

    // MARK: Calls

    /// Performs a call.
    ///
    /// - Throws: as the ports of the domain state.
    func perform<Answer>(_ call: ZoomCall<Answer>, for purpose: Purpose) async throws(BillingFailure) -> Answer {
        do throws(ZoomFailure) {
            return try call.read(try await perform(call.request, for: purpose), logger)
        } catch {
            if let failure = call.interpret(error) {
                record(.healthy)
                throw failure
            }
            throw translate(error, call.request)
        }
    }

    /// Sends a request, and sends it again as its retry policy allows.
    func perform(_ request: ZoomRequest, for purpose: Purpose) async throws(ZoomFailure) -> ZoomAnswer {
        let answer = try await retryLoop.perform(request, for: purpose)
        record(.healthy)
        return answer
    }

    /// Checks whether a request would be sent now. Sends nothing.
    func checkPermit(for request: ZoomRequest, _ purpose: Purpose) async throws(ZoomFailure) {
        try await transport.checkPermit(for: request, purpose)
    }

    /// Whether a kind of plan is mentioned for the first time. Only some are remembered, since callers choose their names.
    func isNewKind(_ kind: String) -> Bool {
        knownKinds.withLock { kinds in kinds.count < Self.knownKindsMax && kinds.insert(kind).inserted }
    }

    private static let knownKindsMax = 100

    /// Opens the file of an invoice.
    func file(of invoice: InvoiceID, for purpose: Purpose) async throws(BillingFailure) -> StreamedFile {
        let request = ZoomRequest(.downloadInvoiceFile, invoice: invoice)
        do throws(ZoomFailure) {
            let file = try await retryLoop.open(request, for: purpose)
            record(.healthy)
            return file
        } catch {
            guard error.isUnknownResource else { throw translate(error, request) }
            record(.healthy)
            throw .invoiceNotFound(invoice)
        }
    }

    private func record(_ health: ZoomHealth) {
        lastHealth.withLock { $0 = health }
    }

    /// Translates a failure for the domain, and records it for operators: in the health, and in the log.
    func translate(_ failure: ZoomFailure, _ request: ZoomRequest) -> BillingFailure {
        let translated = failure.billingFailure(
            to: request, answerBytesMax: configuration.answerBytesMax(of: request.endpoint))
        if translated.concernsOperators(failure), let problem = ZoomProblem(failure, of: request, configuration) {
            problemLog.report(problem)
            if failure.isAnswerByZoom { record(.healthy) } else { record(.failing(problem)) }
        }
        switch translated {
        case .credentialsRefused:
            record(.credentialsRefused)
            logger.warning("Zoom refused our credentials", metadata: ["reason": "\(failure.reason)"])
        case .sourceFailed, .sourceRejected, .timedOut:
            logger.debug("a call to Zoom failed", metadata: ["reason": "\(failure.reason)"])
        case .selfPay, .accountNotFound, .accountIsFree, .invoiceNotFound:
            record(.healthy)
        case .answerTooLarge(let limit):
            record(.healthy)
            logger.warning(
                "an answer of Zoom is too large",
                metadata: ["operation": "\(request.endpoint.operation.title)", "limit": "\(limit)"])
        case .permissionMissing:
            record(.healthy)
            logger.debug("a call needs a scope that Zoom's app lacks", metadata: ["reason": "\(failure.reason)"])
        case .sourceUnavailable, .invalid, .scopeMissing, .rateLimited, .dailyQuotaSpent, .accountQuotaSpent,
            .notCached, .accountListUnusable, .invoiceFileUnusable, .stateUnavailable, .write, .changesUnknown,
            .cancelled:
            break
        }
        return translated
    }
}

extension BillingFailure {
    /// Whether the call failed because of Zoom or the network.
    fileprivate func concernsOperators(_ failure: ZoomFailure) -> Bool {
        switch self {
        case .sourceFailed, .sourceRejected, .sourceUnavailable, .timedOut, .accountListUnusable, .invoiceFileUnusable:
            true
        // The API's own rate limit is met in ordinary use; that of the token endpoint is not.
        case .rateLimited: if case .token = failure { true } else { false }
        case .invalid, .selfPay, .accountNotFound, .accountIsFree, .invoiceNotFound, .answerTooLarge, .scopeMissing,
            .dailyQuotaSpent, .accountQuotaSpent, .credentialsRefused, .permissionMissing, .notCached,
            .stateUnavailable, .write, .changesUnknown, .cancelled:
            false
        }
    }
}
