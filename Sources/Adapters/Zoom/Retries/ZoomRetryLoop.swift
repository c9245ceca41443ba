import Domain
import Logging
import Synchronization

/// Performs calls to Zoom's API: sends a request, and sends it again as its retry policy allows.
///
/// A request is sent again once at once, on another connection, if its connection was at fault. An interactive request is sent
/// again with back-off until its deadline, within the retry budget. A bulk job retries its lookups itself (`BulkRetry`).
/// Every attempt needs a permit of the rate limiter, so bulk retries need no retry budget.
final class ZoomRetryLoop: Sendable {
    private let transport: ZoomTransport
    private let configuration: ZoomConfiguration
    private let time: any TimeSource
    private let logger: Logger
    private let budget = Mutex(RetryBudget())

    /// How long a job waits for an access token that Zoom accepts. Without one, every lookup of the job fails.
    private static let bulkTokenTime = Duration.seconds(60)

    init(
        transport: ZoomTransport, configuration: ZoomConfiguration, time: any TimeSource, logger: Logger
    ) {
        self.transport = transport
        self.configuration = configuration
        self.time = time
        self.logger = logger
    }

    func perform(_ request: ZoomRequest, for purpose: Purpose) async throws(ZoomFailure) -> ZoomAnswer {
        try await retry(request, for: purpose) { deadline, policy, call async throws(ZoomFailure) in
            try await transport.send(request, for: purpose, queueDeadline: deadline, policy: policy, &call)
        }
    }

    /// Opens a file. It is not retried after its first bytes were received.
    func open(_ request: ZoomRequest, for purpose: Purpose) async throws(ZoomFailure) -> StreamedFile {
        try await retry(request, for: purpose) { deadline, policy, call async throws(ZoomFailure) in
            try await transport.open(request, for: purpose, queueDeadline: deadline, policy: policy, &call)
        }
    }

    private func retry<Answer: Sendable>(
        _ request: ZoomRequest, for purpose: Purpose,
        _ send: (
            _ queueDeadline: Moment?, ZoomRetryPolicy, inout ZoomCircuits.Call
        ) async throws(ZoomFailure) -> Answer
    ) async throws(ZoomFailure) -> Answer {
        let policy = ZoomRetryPolicy(for: request.endpoint)
        let isInteractive = purpose.priority.isCallerWaiting
        let began = time.now
        var schedule = RetrySchedule(deadline: began + retryTime(isInteractive: isInteractive))
        let queueDeadline = isInteractive ? began + queueTimeout(of: purpose) : nil
        var hasReconnected = false
        var previous: ZoomFailure?
        // All pages of a list are one target for the circuit breaker, whatever their query.
        var call = ZoomCircuits.Call(request.path, began: began, isRepeated: purpose.isRetry)
        if isInteractive { budget.withLock { $0.recordRequest() } }
        while true {
            do throws(ZoomFailure) {
                return try await send(queueDeadline, policy, &call)
            } catch {
                // If the circuit opens during a retry, report the failure before it.
                if case .unavailable = error, let previous { throw previous }
                previous = error
                if !hasReconnected, policy.reconnects(after: error) {
                    hasReconnected = true
                    continue
                }
                guard isInteractive || error.isTokenRefused,
                    case .retry(let retryAfter) = policy.decision(after: error, retriesTimeouts: !isInteractive)
                else { throw error }
                var random = SystemRandomNumberGenerator()
                guard let next = schedule.next(retryAfter: retryAfter, at: time.now, using: &random),
                    !isInteractive || budget.withLock({ $0.take() })
                else { throw error }
                do throws(CancellationError) {
                    try await time.sleep(until: next)
                } catch {
                    throw .transport(.cancelled)
                }
                logger.debug("retrying a call to Zoom", metadata: ["reason": "\(error.reason)"])
            }
        }
    }

    private func retryTime(isInteractive: Bool) -> Duration {
        guard isInteractive else { return Self.bulkTokenTime }
        return configuration.interactiveTimeMax.map { min(configuration.retryTime, $0) } ?? configuration.retryTime
    }

    private func queueTimeout(of purpose: Purpose) -> Duration {
        let timeout = purpose.queueTimeout ?? configuration.waitMax
        return configuration.interactiveTimeMax.map { min(timeout, $0) } ?? timeout
    }
}
