package import Domain
import NIOCore
import Synchronization

/// The streams that are open, and how far they are.
package final class OpenStreams: Sendable {
    private struct Entry {
        let requestID: RequestID
        let caller: Name
        let began: Timestamp
        let lines: NDJSONLines
        var history = CounterHistory(span: OpenStreams.span)
    }

    /// The time over which the rate of a stream is computed.
    private static let span = Duration.seconds(10)

    private let entries = Mutex<[ObjectIdentifier: Entry]>([:])
    private let time: any TimeSource

    package init(time: any TimeSource) {
        self.time = time
    }

    func began(_ lines: NDJSONLines, by caller: Name, _ requestID: RequestID) {
        var entry = Entry(requestID: requestID, caller: caller, began: time.timestamp, lines: lines)
        entry.history.add(0, at: time.now)
        entries.withLock { [entry] in $0[ObjectIdentifier(lines)] = entry }
    }

    func ended(_ lines: NDJSONLines) {
        entries.withLock { $0[ObjectIdentifier(lines)] = nil }
    }

    /// Reads how far each stream is. Called every second.
    package func read(at now: Moment) {
        entries.withLock { entries in
            for key in entries.keys {
                guard let done = entries[key]?.lines.progress.done else { continue }
                entries[key]?.history.add(Double(done), at: now)
            }
        }
    }

    /// The oldest first.
    package var statuses: [ServiceStatus.Stream] {
        entries.withLock { Array($0.values) }.map { entry in
            let progress = entry.lines.progress
            return ServiceStatus.Stream(
                requestID: entry.requestID.text, caller: entry.caller.rawValue, began: entry.began,
                done: progress.done, accounts: progress.accounts, lines: progress.lines,
                perSecond: entry.history.perSecond(over: Self.span) ?? 0, state: progress.state)
        }.sorted { ($0.began, $0.requestID) < ($1.began, $1.requestID) }
    }
}
