import Domain
import Metrics
import NIOCore
import Synchronization

/// Metrics of the calls to Zoom for one master account. There are tens of calls a second, so each looks its instruments up.
struct ZoomMetrics: Sendable {
    /// How a call ended: the values of the label `outcome`.
    enum Outcome: String, Sendable, CaseIterable {
        case ok
        case selfPay = "self-pay"
        case noAccount = "no-account"
        case rateLimited = "rate-limited"
        case refused
        case failed
        case timedOut = "timed-out"
        case cancelled
        /// Nothing was sent: there was no permit, token or scope, the quota of the account was spent, or the circuit breaker was
        /// open.
        case notSent = "not-sent"
    }

    /// How the refresh of an access token ended: the values of the label `outcome`.
    enum Refresh: String, Sendable, CaseIterable {
        case obtained
        /// Another replica had obtained it.
        case shared
        case failed
    }

    static let tokenOperation = "Token"

    private let master: String
    private let metrics: any MetricsFactory

    init(master: Name, metrics: any MetricsFactory) {
        self.master = master.rawValue
        self.metrics = metrics
        createCounters()
    }

    /// Creates all counters with the value 0, so that the first event shows as an increase.
    private func createCounters() {
        let operations = Operation.allCases.map(\.title) + [Self.tokenOperation]
        for operation in operations {
            for outcome in Outcome.allCases { _ = calls(operation, outcome) }
        }
        for refresh in Refresh.allCases { _ = refreshes(refresh) }
        for label in Set(Operation.allCases.map(\.endpoint.rateLabel)) {
            _ = permits(under: label)
            for reason in ["busy", "day-over"] { _ = refusals(under: label, reason) }
        }
    }

    private func calls(_ operation: String, _ outcome: Outcome) -> Counter {
        Counter(
            .zoomCalls, [("master", master), ("operation", operation), ("outcome", outcome.rawValue)], in: metrics)
    }

    private func refreshes(_ refresh: Refresh) -> Counter {
        Counter(.zoomTokenRenewals, [("master", master), ("outcome", refresh.rawValue)], in: metrics)
    }

    private func permits(under label: ZoomRateLabel) -> Counter {
        Counter(.zoomBudgetSent, [("master", master), ("label", label.rawValue)], in: metrics)
    }

    private func refusals(under label: ZoomRateLabel, _ reason: String) -> Counter {
        Counter(
            .zoomBudgetRefused, [("master", master), ("label", label.rawValue), ("reason", reason)], in: metrics)
    }

    /// - Parameter operation: The raw value of an `Operation`, or `tokenOperation`.
    func countCall(_ operation: String, _ outcome: Outcome) {
        calls(operation, outcome).increment()
    }

    func countRefresh(_ refresh: Refresh) {
        refreshes(refresh).increment()
    }

    /// - Parameter result: The status, or why there is none.
    func recordExchange(
        _ method: String, _ pathTemplate: String, _ origin: Origin, _ result: Result<Int, HTTPFailure>,
        duration: TimeAmount
    ) {
        var labels: [MetricLabel] = [
            ("http_request_method", method), ("server_address", origin.host), ("url_template", pathTemplate),
        ]
        switch result {
        case .success(let status): labels.append(("http_response_status_code", "\(status)"))
        case .failure(let failure): labels.append(("error_type", failure.kind))
        }
        Metrics.Timer(.clientRequestDuration, labels, in: metrics).recordNanoseconds(duration.nanoseconds)
    }

    func recordWait(_ label: ZoomRateLabel, _ priority: Purpose.Priority, _ duration: Duration) {
        let name: String =
            switch priority {
            case .write: "write"
            case .interactive: "interactive"
            case .bulk: "bulk"
            case .background: "background"
            }
        Metrics.Timer(
            .zoomBudgetWait, [("master", master), ("label", label.rawValue), ("priority", name)], in: metrics
        ).recordNanoseconds(Int64(duration / .nanoseconds(1)))
    }

    func countPermit(_ label: ZoomRateLabel) {
        permits(under: label).increment()
    }

    /// Counts a refused permit. A cancelled request is not counted.
    func countRefusal(_ label: ZoomRateLabel, _ failure: ZoomFailure) {
        let reason: String
        switch failure {
        case .rateLimited: reason = "busy"
        case .dailyQuotaSpent: reason = "day-over"
        case .api, .transport, .unreadable, .unusableFile, .misaddressed, .token, .quotaSpent, .unavailable,
            .credentials,
            .scopesMissing, .stopped:
            return
        }
        refusals(under: label, reason).increment()
    }
}

extension ZoomFailure {
    var metricsOutcome: ZoomMetrics.Outcome {
        switch self {
        case .transport(.cancelled): .cancelled
        case .transport(.timedOut): .timedOut
        case .transport, .unreadable, .unusableFile, .misaddressed: .failed
        case .token, .rateLimited, .unavailable, .credentials, .scopesMissing, .stopped: .notSent
        case .dailyQuotaSpent, .quotaSpent: .rateLimited
        case .api where isSelfPay: .selfPay
        case .api(_, let code, let message, _) where Self.isUnknownAccount(code: code, message: message): .noAccount
        case .api where isTokenRefused: .refused
        case .api(_, 429, _, _), .api(429, _, _, _): .rateLimited
        case .api(let status, _, _, _): status >= 500 ? .failed : .refused
        }
    }
}
