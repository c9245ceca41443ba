import Dispatch
import Glibc
import Synchronization

/// Records the waits of all tests. A thread prints the long ones.
final class Waits: Sendable {
    static let shared = Waits()

    /// Longer than any wait of a healthy suite on a busy machine, shorter than any time limit.
    static let reportInterval = Duration.seconds(60)

    private struct Entry {
        let what: String
        let began: ContinuousClock.Instant
        var reports = 0
    }

    private struct State {
        var lastID = 0
        var entries: [Int: Entry] = [:]
        var isReporting = false
    }

    private let state = Mutex(State())

    func add(_ what: String) -> Int {
        let (id, starts) = state.withLock { state in
            state.lastID += 1
            state.entries[state.lastID] = Entry(what: what, began: .now)
            defer { state.isReporting = true }
            return (state.lastID, !state.isReporting)
        }
        if starts { startReporting() }
        return id
    }

    func remove(_ id: Int) {
        state.withLock { _ = $0.entries.removeValue(forKey: id) }
    }

    /// Uses a queue of its own: a report is due exactly when the cooperative pool may be blocked.
    private func startReporting() {
        let queue = DispatchQueue(label: "test-waits")
        queue.async { [self] in
            while true {
                sleep(10)
                let now = ContinuousClock.now
                let due = state.withLock { state in
                    var due: [String] = []
                    for (id, entry) in state.entries {
                        let waited = now - entry.began
                        guard waited >= Self.reportInterval * (entry.reports + 1) else { continue }
                        state.entries[id]?.reports += 1
                        due.append("still waiting after \(waited.components.seconds) s: \(entry.what)\n")
                    }
                    return due
                }
                for line in due.sorted() {
                    _ = Array(line.utf8).withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
                }
            }
        }
    }
}
