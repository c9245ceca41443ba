import DequeModule
package import Metrics
import Synchronization

/// Spans that wait to be sent: so many and no more. Whoever ends one never waits.
package final class SpanQueue: Sendable {
    private struct State {
        var spans: Deque<SpanRecord> = []
        var waiter: CheckedContinuation<Void, Never>?
        var isHurried = false
    }

    private let state = Mutex(State())
    private let spansMax: Int
    private let dropped: Counter

    package init(spansMax: Int = 4096, metrics: any MetricsFactory) {
        self.spansMax = spansMax
        dropped = Counter(.spansDropped, in: metrics)
    }

    func put(_ span: SpanRecord) {
        let (isTaken, waiter) = state.withLock { state -> (Bool, CheckedContinuation<Void, Never>?) in
            guard state.spans.count < spansMax else { return (false, nil) }
            state.spans.append(span)
            guard state.spans.count >= spansMax / 4 else { return (true, nil) }
            state.isHurried = state.waiter == nil
            defer { state.waiter = nil }
            return (true, state.waiter)
        }
        if !isTaken { dropped.increment() }
        waiter?.resume()
    }

    func drop(_ count: Int) {
        dropped.increment(by: count)
    }

    /// The oldest, at most so many.
    func take(_ countMax: Int) -> [SpanRecord] {
        state.withLock { state in
            state.isHurried = false
            let taken = Array(state.spans.prefix(countMax))
            state.spans.removeFirst(taken.count)
            return taken
        }
    }

    /// Returns when there are many, or when the task is cancelled.
    func many() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    // The cancellation handler may have run before this; the task then knows.
                    guard !state.isHurried, !Task.isCancelled else {
                        state.isHurried = false
                        return true
                    }
                    state.waiter = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume()
        }
    }
}
