import DequeModule
package import Metrics
import Synchronization

/// A bounded queue of ended spans. Adding a span never blocks: if the queue is full, the span is dropped and counted.
package final class SpanQueue: Sendable {
    private struct State {
        var spans: Deque<SpanRecord> = []
        var waiter: CheckedContinuation<Void, Never>?
        /// Whether the queue became a quarter full while no task waited for that.
        var isFillingUp = false
    }

    private let state = Mutex(State())
    private let spansMax: Int
    private let dropped: Counter

    package init(spansMax: Int = 4096, metrics: any MetricsFactory) {
        self.spansMax = spansMax
        dropped = Counter(.spansDropped, in: metrics)
    }

    func put(_ span: SpanRecord) {
        let (isQueued, waiter) = state.withLock { state -> (Bool, CheckedContinuation<Void, Never>?) in
            guard state.spans.count < spansMax else { return (false, nil) }
            state.spans.append(span)
            guard state.spans.count >= spansMax / 4 else { return (true, nil) }
            state.isFillingUp = state.waiter == nil
            defer { state.waiter = nil }
            return (true, state.waiter)
        }
        if !isQueued { dropped.increment() }
        waiter?.resume()
    }

    func drop(_ count: Int) {
        dropped.increment(by: count)
    }

    /// Removes and returns the oldest spans, at most `countMax`.
    func take(_ countMax: Int) -> [SpanRecord] {
        state.withLock { state in
            state.isFillingUp = false
            let spans = Array(state.spans.prefix(countMax))
            state.spans.removeFirst(spans.count)
            return spans
        }
    }

    /// Returns when the queue is a quarter full, or when the task is cancelled.
    func fillsUp() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    // If the cancellation handler ran before this, the task is already cancelled.
                    guard !state.isFillingUp, !Task.isCancelled else {
                        state.isFillingUp = false
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
