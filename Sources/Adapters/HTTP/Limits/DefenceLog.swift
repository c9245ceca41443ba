package import Logging
package import Metrics
package import NIOCore
import Synchronization

/// Counts and logs the actions of the defences. Each defence logs its first action immediately and then at most one line
/// a second.
package final class DefenceLog: Sendable {
    private struct Entry {
        var total = 0
        var withheld = 0
        var loggedAt: NIODeadline?

        /// The last affected peer, if known.
        var peer: SocketAddress?
    }

    private let logger: Logger
    private let counters: [Defence: Counter]
    private let entries = Mutex<[Defence: Entry]>([:])
    private static let interval = TimeAmount.seconds(1)

    package init(logger: Logger, metrics: any MetricsFactory = .none) {
        self.logger = logger
        counters = Dictionary(
            uniqueKeysWithValues: Defence.allCases.map { defence in
                (defence, Counter(.serverDefences, [("reason", defence.rawValue)], in: metrics))
            })
    }

    /// Records one action of a defence.
    package func triggered(_ defence: Defence, against peer: SocketAddress? = nil, at now: NIODeadline = .now()) {
        counters[defence]?.increment()
        entries.withLock { entries in
            entries[defence, default: Entry()].total += 1
            entries[defence, default: Entry()].withheld += 1
            entries[defence, default: Entry()].peer = peer
        }
        log(defence, at: now)
    }

    /// Logs the actions that were withheld by the rate limit.
    package func logWithheld(at now: NIODeadline = .now()) {
        for defence in Defence.allCases { log(defence, at: now) }
    }

    private func log(_ defence: Defence, at now: NIODeadline) {
        let line = entries.withLock { entries -> (count: Int, total: Int, peer: SocketAddress?)? in
            guard var entry = entries[defence], entry.withheld > 0 else { return nil }
            if let loggedAt = entry.loggedAt, now < loggedAt + Self.interval { return nil }
            let line = (entry.withheld, entry.total, entry.peer)
            entry.loggedAt = now
            entry.withheld = 0
            entries[defence] = entry
            return line
        }
        guard let line else { return }
        var metadata: Logger.Metadata = [
            "reason": "\(defence.rawValue)", "count": "\(line.count)", "total": "\(line.total)",
        ]
        if let address = line.peer?.ipAddress { metadata["peer"] = "\(address)" }
        logger.notice("defence triggered", metadata: metadata)
    }

    /// The number of actions of a defence.
    package func count(of defence: Defence) -> Int {
        entries.withLock { $0[defence]?.total ?? 0 }
    }
}
