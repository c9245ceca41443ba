import Domain
import Metrics
import NIOCore
import Synchronization

/// Metrics of the calls to Zoom for one master account.
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

    /// What a call to Zoom performs.
    enum Call: Hashable, Sendable {
        case operation(Operation)
        /// Obtains an access token.
        case token

        /// The value of the label `operation`.
        fileprivate var label: String {
            switch self {
            case .operation(let operation): operation.title
            case .token: "Token"
            }
        }
    }

    private struct CallKey: Hashable {
        let call: Call
        let outcome: Outcome
    }

    private struct WaitKey: Hashable {
        let label: ZoomRateLabel
        let priority: Purpose.Priority
    }

    private struct ExchangeKey: Hashable {
        let method: String
        let pathTemplate: String
        let host: String

        /// The status, or why there is none.
        let status: Int?
        let failure: String?
    }

    private let master: String
    private let metrics: any MetricsFactory
    private let callCounters = KnownInstruments<CallKey, Counter>()
    private let permitCounters = KnownInstruments<ZoomRateLabel, Counter>()
    private let waitTimers = KnownInstruments<WaitKey, Metrics.Timer>()
    private let exchangeTimers = KnownInstruments<ExchangeKey, Metrics.Timer>()

    init(master: Name, metrics: any MetricsFactory) {
        self.master = master.rawValue
        self.metrics = metrics
        createCounters()
    }

    /// Creates all counters with the value 0, so that the first event shows as an increase.
    private func createCounters() {
        for call in Operation.allCases.map(Call.operation) + [.token] {
            for outcome in Outcome.allCases { _ = calls(call, outcome) }
        }
        for refresh in Refresh.allCases { _ = refreshes(refresh) }
        for label in Set(Operation.allCases.map(\.endpoint.rateLabel)) {
            _ = permits(under: label)
            for reason in ["busy", "day-over"] { _ = refusals(under: label, reason) }
        }
    }

    private func calls(_ call: Call, _ outcome: Outcome) -> Counter {
        callCounters.instrument(CallKey(call: call, outcome: outcome)) {
            Counter(
                .zoomCalls, [("master", master), ("operation", call.label), ("outcome", outcome.rawValue)],
                in: metrics)
        }
    }

    private func refreshes(_ refresh: Refresh) -> Counter {
        Counter(.zoomTokenRenewals, [("master", master), ("outcome", refresh.rawValue)], in: metrics)
    }

    private func permits(under label: ZoomRateLabel) -> Counter {
        permitCounters.instrument(label) {
            Counter(.zoomBudgetSent, [("master", master), ("label", label.rawValue)], in: metrics)
        }
    }

    private func refusals(under label: ZoomRateLabel, _ reason: String) -> Counter {
        Counter(
            .zoomBudgetRefused, [("master", master), ("label", label.rawValue), ("reason", reason)], in: metrics)
    }

    func countCall(_ call: Call, _ outcome: Outcome) {
        calls(call, outcome).increment()
    }

    func countRefresh(_ refresh: Refresh) {
        refreshes(refresh).increment()
    }

    /// - Parameter result: The status, or why there is none.
    func recordExchange(
        _ method: String, _ pathTemplate: String, _ origin: Origin, _ result: Result<Int, HTTPFailure>,
        duration: TimeAmount
    ) {
        let key: ExchangeKey
        switch result {
        case .success(let status):
            key = ExchangeKey(
                method: method, pathTemplate: pathTemplate, host: origin.host, status: status, failure: nil)
        case .failure(let failure):
            key = ExchangeKey(
                method: method, pathTemplate: pathTemplate, host: origin.host, status: nil, failure: failure.kind)
        }
        let timer = exchangeTimers.instrument(key) {
            var labels: [MetricLabel] = [
                ("http_request_method", method), ("server_address", origin.host), ("url_template", pathTemplate),
            ]
            if let status = key.status { labels.append(("http_response_status_code", "\(status)")) }
            if let failure = key.failure { labels.append(("error_type", failure)) }
            return Metrics.Timer(.clientRequestDuration, labels, in: metrics)
        }
        timer.recordNanoseconds(duration.nanoseconds)
    }

    func recordWait(_ label: ZoomRateLabel, _ priority: Purpose.Priority, _ duration: Duration) {
        let timer = waitTimers.instrument(WaitKey(label: label, priority: priority)) {
            let name: String =
                switch priority {
                case .write: "write"
                case .interactive: "interactive"
                case .bulk: "bulk"
                case .background: "background"
                }
            return Metrics.Timer(
                .zoomBudgetWait, [("master", master), ("label", label.rawValue), ("priority", name)], in: metrics)
        }
        timer.recordNanoseconds(Int64(duration / .nanoseconds(1)))
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
