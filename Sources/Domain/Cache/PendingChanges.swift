import Synchronization

/// The changes of this replica that the shared answers do not know yet.
final class PendingChanges: Sendable {
    private struct Waiter {
        let id: Int

        /// The wait ends when this number of changes is recorded.
        let number: Int
        let endsAtFailure: Bool
        let continuation: CheckedContinuation<Void, Never>
        let timeout: Task<Void, Never>

        func end() {
            timeout.cancel()
            continuation.resume()
        }
    }

    private struct State {
        var changes = RingQueue<SharedChange>()

        /// How many of `changes` are of an account.
        var counts: [AccountID: Int] = [:]

        /// Recorded or forgotten changes so far.
        var done = 0

        /// The last call of the store has failed.
        var isFailing = false
        var waiters: [Waiter] = []
        var lastWaiter = 0

        mutating func removeFirst() {
            guard let change = changes.popFirst() else { return }
            done += 1
            let count = counts[change.account, default: 1] - 1
            counts[change.account] = count == 0 ? nil : count
        }

        mutating func takeWaiters(_ isEnding: (Waiter) -> Bool) -> [Waiter] {
            let ending = waiters.filter(isEnding)
            if !ending.isEmpty { waiters.removeAll(where: isEnding) }
            return ending
        }
    }

    /// Beyond that the oldest are forgotten, and other replicas serve their answers until these expire.
    private static let changesMax = 10_000

    /// The limit of one call of the store, and the pause after a failure.
    private static let callTime = Duration.seconds(1)
    private static let pause = Duration.milliseconds(500)

    private let answers: any SharedAnswers
    private let time: any TimeSource
    private let state = Mutex(State())
    private let wakeUps: (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation)

    init(_ answers: any SharedAnswers, time: any TimeSource) {
        self.answers = answers
        self.time = time
        wakeUps = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func contains(_ account: AccountID) -> Bool { state.withLock { $0.counts[account] != nil } }

    func add(_ change: SharedChange) {
        state.withLock { state in
            if state.changes.count >= Self.changesMax { state.removeFirst() }
            state.changes.append(change)
            state.counts[change.account, default: 0] += 1
        }
        wakeUps.continuation.yield()
    }

    /// Waits until the store has recorded the changes that were added before, at most for a limit.
    ///
    /// - Parameter endsAtFailure: Whether to give up when the store does not answer.
    func waitUntilRecorded(within limit: Duration, endsAtFailure: Bool) async {
        let end = time.now + limit
        let id = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = state.withLock { state in
                    // The cancellation handler may have run before this, when it found no waiter.
                    if Task.isCancelled || state.changes.isEmpty || endsAtFailure && state.isFailing { return true }
                    // Started with the lock, so that it finds the waiter however early the end is.
                    let timeout = Task { [time] in
                        guard (try? await time.sleep(until: end)) != nil else { return }
                        stopWaiting(id)
                    }
                    state.waiters.append(
                        Waiter(
                            id: id, number: state.done + state.changes.count, endsAtFailure: endsAtFailure,
                            continuation: continuation, timeout: timeout))
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            stopWaiting(id)
        }
    }

    private func stopWaiting(_ id: Int) {
        for waiter in state.withLock({ $0.takeWaiters { $0.id == id } }) { waiter.end() }
    }

    /// Tells the store of changes, until the task is cancelled.
    func run() async {
        for await _ in wakeUps.stream {
            while let (number, change) = state.withLock({ state in state.changes.first.map { (state.done, $0) } }) {
                do throws(SharedAnswersFailure) {
                    try await answers.record(change, within: Self.callTime)
                } catch {
                    if Task.isCancelled { return }
                    failed()
                    try? await time.sleep(until: time.now + Self.pause)
                    continue
                }
                recorded(number)
            }
        }
    }

    private func recorded(_ number: Int) {
        let ending = state.withLock { state in
            state.isFailing = false
            // Otherwise it was forgotten meanwhile.
            if state.done == number { state.removeFirst() }
            let done = state.done
            return state.takeWaiters { $0.number <= done }
        }
        for waiter in ending { waiter.end() }
    }

    private func failed() {
        let ending = state.withLock { state in
            state.isFailing = true
            return state.takeWaiters { $0.endsAtFailure }
        }
        for waiter in ending { waiter.end() }
    }
}
