import Metrics

/// Metrics of the connection to Redis.
struct RedisMetrics: Sendable {
    /// The values of the label `result`.
    enum CallResult: String, CaseIterable {
        case done
        case refused
        case timedOut = "timed-out"
        case disconnected
        case unavailable
        case overloaded
        case cancelled

        init(_ failure: RedisFailure) {
            switch failure {
            case .unavailable, .closed: self = .unavailable
            case .overloaded: self = .overloaded
            case .timedOut: self = .timedOut
            case .disconnected: self = .disconnected
            case .refused, .unexpectedReply: self = .refused
            case .cancelled: self = .cancelled
            }
        }
    }

    private let commands: [CallResult: Counter]
    private let duration: Metrics.Timer
    private let connections: Counter
    private let connected: Meter

    init(_ metrics: any MetricsFactory) {
        commands = Dictionary(
            uniqueKeysWithValues: CallResult.allCases.map {
                ($0, Counter(.redisCommands, [("result", $0.rawValue)], in: metrics))
            })
        duration = Metrics.Timer(.redisCallDuration, in: metrics)
        connections = Counter(.redisConnections, in: metrics)
        connected = Meter(.redisConnected, in: metrics)
        connected.set(0)
    }

    func count(_ result: CallResult, _ count: Int) { commands[result]?.increment(by: count) }

    func recordDuration(_ time: Duration) { duration.recordNanoseconds(Int64(time / .nanoseconds(1))) }

    func countConnection() { connections.increment() }

    func setConnected(_ isConnected: Bool) { connected.set(isConnected ? 1 : 0) }
}
