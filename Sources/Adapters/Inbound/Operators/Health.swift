package import Domain
import Logging
package import NIOCore
import ServiceLifecycle
import Synchronization

/// Whether the service is alive and ready, for probes. A probe never sends a request to Zoom.
package final class Health: Service {
    package enum Finding: Sendable, Equatable {
        case good
        /// Good, with the progress of a task.
        case coming(String)
        /// An operator should act, but other replicas have the same trouble, so the service stays ready.
        case degraded(String, remedy: String)
        /// This replica should receive no requests.
        case failing(String, remedy: String)

        enum Status: String {
            case good
            case degraded
            case failing
        }

        var status: Status {
            switch self {
            case .good, .coming: .good
            case .degraded: .degraded
            case .failing: .failing
            }
        }

        var detail: String? {
            switch self {
            case .good: nil
            case .coming(let detail), .degraded(let detail, _), .failing(let detail, _): detail
            }
        }

        var remedy: String? {
            switch self {
            case .good, .coming: nil
            case .degraded(_, let remedy), .failing(_, let remedy): remedy
            }
        }
    }

    /// A check that runs every second and for each probe.
    package struct Check: Sendable {
        let name: String
        let look: @Sendable () -> Finding

        package init(_ name: String, look: @escaping @Sendable () -> Finding) {
            self.name = name
            self.look = look
        }
    }

    struct Report: Sendable {
        let name: String
        let finding: Finding
        /// When the check entered its present status.
        let since: Timestamp

        func write(to object: inout JSONMemberWriter) {
            object.member("name", name)
            object.member("status", finding.status.rawValue)
            object.member("since", since.rfc3339)
            if let detail = finding.detail { object.member("detail", detail) }
            if let remedy = finding.remedy { object.member("remedy", remedy) }
        }
    }

    private struct State {
        var isShuttingDown = false
        var last: [String: (finding: Finding, since: Timestamp)] = [:]
        var beats: [NIODeadline]
    }

    private let checks: [Check]
    private let loops: [any EventLoop]
    private let clock: any EventLoop
    private let time: any TimeSource
    private let state: Mutex<State>

    /// A loop that has run no task for this long is stuck. An iteration takes milliseconds; a loop that blocks this long
    /// needs a restart.
    private let stuckAfter: TimeAmount

    /// - Parameters:
    ///   - loops: The loops that serve requests.
    ///   - clock: Another loop, which runs while those are busy.
    package init(
        checks: [Check], loops: [any EventLoop], clock: any EventLoop, time: any TimeSource,
        stuckAfter: TimeAmount = .seconds(10)
    ) {
        self.checks = checks
        self.loops = loops
        self.clock = clock
        self.time = time
        self.stuckAfter = stuckAfter
        state = Mutex(State(beats: Array(repeating: .now(), count: loops.count)))
    }

    /// Runs the checks every second, so that the start of a status is known to the second.
    package func run() async throws {
        let beat = clock.scheduleRepeatedTask(initialDelay: .zero, delay: .seconds(1)) { _ in
            self.feelPulse()
            _ = self.reports()
        }
        try? await gracefulShutdown()
        beat.cancel()
    }

    /// Makes the service not ready.
    package func shutdownBegan() {
        state.withLock { $0.isShuttingDown = true }
        _ = reports()
    }

    private func feelPulse() {
        for (index, loop) in loops.enumerated() {
            loop.execute { self.state.withLock { $0.beats[index] = .now() } }
        }
    }

    /// The number of loops that are stuck.
    var stuckLoops: Int {
        let latest = NIODeadline.now() - stuckAfter
        return state.withLock { state in state.beats.count { $0 < latest } }
    }

    /// The status of each check: 0 for good, 1 for degraded, 2 for failing.
    package var statuses: [(check: String, status: Int)] {
        reports().map { report in
            let status: Int =
                switch report.finding.status {
                case .good: 0
                case .degraded: 1
                case .failing: 2
                }
            return (report.name, status)
        }
    }

    /// Whether no loop that serves requests is stuck.
    package var isAlive: Bool { stuckLoops == 0 }

    /// Runs all checks.
    func reports() -> [Report] {
        let isShuttingDown = state.withLock { $0.isShuttingDown }
        let accepting: Finding =
            isShuttingDown
            ? .failing("the service is shutting down", remedy: "send requests to another replica") : .good
        let stuck = stuckLoops
        let turning: Finding =
            stuck > 0
            ? .failing(
                "\(stuck) of \(loops.count) event loops have not come round for \(stuckAfter.nanoseconds / 1_000_000_000) s",
                remedy: "restart this replica, and keep a stack trace of it") : .good
        let findings =
            [("accepting", accepting), ("event-loops", turning)] + checks.map { ($0.name, $0.look()) }
        let now = time.timestamp
        return state.withLock { state in
            findings.map { name, finding in
                var since = now
                if let last = state.last[name], last.finding.status == finding.status { since = last.since }
                state.last[name] = (finding, since)
                return Report(name: name, finding: finding, since: since)
            }
        }
    }
}
