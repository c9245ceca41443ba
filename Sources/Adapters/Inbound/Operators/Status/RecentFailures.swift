package import Domain
import NIOCore
import Synchronization

/// The last failed requests: a status of 500 or more, refused credentials, rate limits and timeouts. Other 4xx answers are
/// left out, since they report errors of the caller's own request.
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
