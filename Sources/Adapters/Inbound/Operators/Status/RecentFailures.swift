package import Domain
import NIOCore
import Synchronization

/// The last failed requests, for operators: those that the service could not answer, and those that it refused because of the
/// credentials, a rate limit or a timeout. Other 4xx answers tell callers about their own request.
package final class RecentFailures: Sendable {
    private static let countMax = 50

    private let failures = Mutex<[ServiceStatus.Failure]>([])
    private let time: any TimeSource

    package init(time: any TimeSource) {
        self.time = time
    }

    static func isFailure(status: Int) -> Bool {
        switch status {
        case 401, 403, 408, 429: true
        default: status >= 500
        }
    }

    func add(_ requestID: RequestID, _ note: RequestNote, status: Int, after duration: TimeAmount) {
        let failure = ServiceStatus.Failure(
            time: time.timestamp, requestID: requestID.text, method: note.method.name, route: "\(note.route.template)",
            status: status, caller: note.caller?.rawValue, duration: .nanoseconds(duration.nanoseconds))
        failures.withLock { failures in
            failures.append(failure)
            if failures.count > Self.countMax { failures.removeFirst() }
        }
    }

    /// The newest first.
    package var newestFirst: [ServiceStatus.Failure] { failures.withLock { $0.reversed() } }
}
