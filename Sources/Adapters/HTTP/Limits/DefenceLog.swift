package import Logging
package import Metrics
package import NIOCore
import Synchronization

/// Counts what the defences did, and says so: at once when one begins to act, and then at most once a second, however
/// busy it is.
package final class DefenceLog: Sendable {
    private struct Entry {
        var total = 0
        var unsaid = 0
        var saidAt: NIODeadline?

        /// Whom it was last, if that is known.
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

    /// - Parameter peer: Against whom.
    package func acted(_ defence: Defence, against peer: SocketAddress? = nil, at now: NIODeadline = .now()) {
        counters[defence]?.increment()
        entries.withLock { entries in
            entries[defence, default: Entry()].total += 1
            entries[defence, default: Entry()].unsaid += 1
            entries[defence, default: Entry()].peer = peer
        }
        say(defence, at: now)
    }

    /// Says what went unsaid because it came too soon behind the last.
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
            "reason": "\(defence.rawValue)", "times": "\(said.count)", "altogether": "\(said.total)",
        ]
        if let address = said.peer?.ipAddress { metadata["peer"] = "\(address)" }
        logger.notice("a defence acted", metadata: metadata)
    }

    /// How often a defence has acted.
    package func count(of defence: Defence) -> Int {
        entries.withLock { $0[defence]?.total ?? 0 }
    }
}
