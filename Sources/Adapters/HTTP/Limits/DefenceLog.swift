package import Logging
package import Metrics
package import NIOCore
import Synchronization

/// Counts and logs the actions of the defences. Each defence logs its first action immediately and then at most one line
/// a second.
package final class DefenceLog: Sendable {
    private struct Entry {
        var total = 0
        var unsaid = 0
        var saidAt: NIODeadline?

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
    package func acted(_ defence: Defence, against peer: SocketAddress? = nil, at now: NIODeadline = .now()) {
        counters[defence]?.increment()
        entries.withLock { entries in
            entries[defence, default: Entry()].total += 1
            entries[defence, default: Entry()].unsaid += 1
            entries[defence, default: Entry()].peer = peer
        }
        say(defence, at: now)
    }

    /// Logs the actions that were withheld by the rate limit.
    package func sayRest(at now: NIODeadline = .now()) {
        for defence in Defence.allCases { say(defence, at: now) }
    }

    private func say(_ defence: Defence, at now: NIODeadline) {
        let said = entries.withLock { entries -> (count: Int, total: Int, peer: SocketAddress?)? in
            guard var entry = entries[defence], entry.unsaid > 0 else { return nil }
            if let saidAt = entry.saidAt, now < saidAt + Self.interval { return nil }
            let said = (entry.unsaid, entry.total, entry.peer)
            entry.saidAt = now
            entry.unsaid = 0
            entries[defence] = entry
            return said
        }
        guard let said else { return }
        var metadata: Logger.Metadata = [
            "reason": "\(defence.rawValue)", "count": "\(said.count)", "total": "\(said.total)",
        ]
        if let address = said.peer?.ipAddress { metadata["peer"] = "\(address)" }
        logger.notice("defence triggered", metadata: metadata)
    }

    /// The number of actions of a defence.
    package func count(of defence: Defence) -> Int {
        entries.withLock { $0[defence]?.total ?? 0 }
    }
}
