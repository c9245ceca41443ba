import Domain
import Metrics
import NIOCore
import Synchronization

/// What is asked of Zoom for one master account, and what becomes of it. Tens of calls a second: instruments are looked up.
struct ZoomMetrics: Sendable {
    /// How a call ended: the closed set that is a label.
    enum Outcome: String, Sendable, CaseIterable {
        case ok
        case selfPay = "self-pay"
        case noAccount = "no-account"
        case rateLimited = "rate-limited"
        case refused
        case failed
        case timedOut = "timed-out"
        case cancelled
        /// Nothing was sent: for lack of a turn, a token or a scope, or since Zoom is left alone.
        case notSent = "not-sent"
    }

    enum Renewal: String, Sendable, CaseIterable {
        case obtained
        /// Taken over from another replica.
        case shared
        case failed
    }

    static let tokenOperation = "Token"

    private let master: String
    private let metrics: any MetricsFactory

    init(master: Name, metrics: any MetricsFactory) {
        self.master = master.rawValue
        self.metrics = metrics
        begin()
    }

    /// What has not happened is 0, so that the first time is seen as one more.
    private func begin() {
        let operations = ZoomOperation.allCases.map(\.title) + [Self.tokenOperation]
        for operation in operations {
            for outcome in Outcome.allCases { _ = calls(operation, outcome) }
        }
        for renewal in Renewal.allCases { _ = renewals(renewal) }
        for label in Set(ZoomOperation.allCases.map(\.label)) {
            _ = sent(under: label)
            for reason in ["busy", "day-over"] { _ = refusals(under: label, reason) }
        }
    }

    private func calls(_ operation: String, _ outcome: Outcome) -> Counter {
        Counter(
            .zoomCalls, [("master", master), ("operation", operation), ("outcome", outcome.rawValue)], in: metrics)
    }

    private func renewals(_ renewal: Renewal) -> Counter {
        Counter(.zoomTokenRenewals, [("master", master), ("outcome", renewal.rawValue)], in: metrics)
    }

    private func sent(under label: ZoomRateLabel) -> Counter {
        Counter(.zoomBudgetSent, [("master", master), ("label", label.rawValue)], in: metrics)
    }

    private func refusals(under label: ZoomRateLabel, _ reason: String) -> Counter {
        Counter(
            .zoomBudgetRefused, [("master", master), ("label", label.rawValue), ("reason", reason)], in: metrics)
    }

    func called(_ operation: String, _ outcome: Outcome) {
        calls(operation, outcome).increment()
    }

    func renewed(_ renewal: Renewal) {
        renewals(renewal).increment()
    }

    /// - Parameter result: The status, or the kind of failure in place of one.
    func exchanged(
        _ method: String, _ template: String, _ origin: Origin, _ result: Result<Int, HTTPFailure>,
        after time: TimeAmount
    ) {
        var labels: [MetricLabel] = [
            ("http_request_method", method), ("server_address", origin.host), ("url_template", template),
        ]
        switch result {
        case .success(let status): labels.append(("http_response_status_code", "\(status)"))
        case .failure(let failure): labels.append(("error_type", failure.kind))
        }
        Metrics.Timer(.clientRequestDuration, labels, in: metrics).recordNanoseconds(time.nanoseconds)
    }

    func waited(_ label: ZoomRateLabel, _ priority: Purpose.Priority, _ time: Duration) {
        let name: String =
            switch priority {
            case .interactive: "interactive"
            case .bulk: "bulk"
            case .background: "background"
            }
        Metrics.Timer(
            .zoomBudgetWait, [("master", master), ("label", label.rawValue), ("priority", name)], in: metrics
        ).recordNanoseconds(Int64(time / .nanoseconds(1)))
    }

    func sent(_ label: ZoomRateLabel) {
        sent(under: label).increment()
    }

    func turnedAway(_ label: ZoomRateLabel, _ failure: ZoomFailure) {
        let reason: String
        switch failure {
        case .rateLimited: reason = "busy"
        case .dailyQuotaSpent: reason = "day-over"
        case .api, .transport, .unreadable, .misaddressed, .token, .unavailable, .credentials, .scopesMissing: return
        }
        refusals(under: label, reason).increment()
    }
}

extension ZoomFailure {
    var metricsOutcome: ZoomMetrics.Outcome {
        switch self {
        case .transport(.cancelled): .cancelled
        case .transport(.timedOut): .timedOut
        case .transport, .unreadable, .misaddressed: .failed
        case .token, .rateLimited, .unavailable, .credentials, .scopesMissing: .notSent
        case .dailyQuotaSpent: .rateLimited
        case .api where isSelfPay: .selfPay
        case .api(_, let code, let message, _) where Self.deniesAccount(code: code, message: message): .noAccount
        case .api where isTokenRefused: .refused
        case .api(_, 429, _, _), .api(429, _, _, _): .rateLimited
        case .api(let status, _, _, _): status >= 500 ? .failed : .refused
        }
    }
}
