import Domain
import Logging
import Synchronization

/// Logs why calls to Zoom fail: each reason at most once a minute.
struct ZoomProblemLog: Sendable {
    private static let interval = Duration.seconds(60)

    /// Bounds memory. There are few reasons: addresses, statuses, kinds of failure.
    private static let reasonsMax = 64

    private final class State: Sendable {
        let loggedAt = Mutex<[String: Moment]>([:])
    }

    private let state = State()
    private let time: any TimeSource
    private let logger: Logger

    init(time: any TimeSource, logger: Logger) {
        self.time = time
        self.logger = logger
    }

    func report(_ problem: ZoomProblem) {
        let now = time.now
        let isDue = state.loggedAt.withLock { loggedAt in
            if let last = loggedAt[problem.reason], now - last < Self.interval { return false }
            if loggedAt.count >= Self.reasonsMax { loggedAt.removeAll() }
            loggedAt[problem.reason] = now
            return true
        }
        guard isDue else { return }
        logger.log(
            level: problem.isLasting ? .warning : .info, "a call to Zoom failed",
            metadata: ["reason": "\(problem.reason)", "remedy": "\(problem.remedy)"])
    }
}
