import DequeModule
import Domain
import Synchronization

/// Lets requests to Zoom through at the pace the domain allows: those somebody waits for first, bulk after them, each
/// kind in the order it came.
final class RateGate: Sendable {
    private typealias Waiter = CheckedContinuation<Result<Void, ZoomFailure>, Never>

    private struct State {
        var pace: Pace
        var interactive: Deque<(id: UInt64, waiter: Waiter)> = []
        var bulk: Deque<(id: UInt64, waiter: Waiter)> = []
        var lastID: UInt64 = 0
        var isClosed = false
        /// Lets one through at each slot while somebody waits.
        var pump: Task<Void, Never>?

        var isEmpty: Bool { interactive.isEmpty && bulk.isEmpty }
    }

    private let state: Mutex<State>
    private let time: any TimeSource
    private let waitMax: Duration

    /// - Parameters:
    ///   - perSecond: The rate to keep.
    ///   - waitMax: Who would wait longer than this for somebody's sake is turned away at once.
    init(perSecond: Double, waitMax: Duration, time: any TimeSource) {
        state = Mutex(State(pace: Pace(perSecond: perSecond)))
        self.waitMax = waitMax
        self.time = time
    }

    /// Returns when a request may go.
    ///
    /// - Throws: `paced`, for interactive requests alone; `transport(.cancelled)`.
    func pass(_ purpose: Purpose) async throws(ZoomFailure) {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let answer = state.withLock { enter(waiter, id: id, purpose, &$0) }
                if let answer { waiter.resume(returning: answer) }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                if let index = state.interactive.firstIndex(where: { $0.id == id }) {
                    return state.interactive.remove(at: index).waiter
                }
                if let index = state.bulk.firstIndex(where: { $0.id == id }) {
                    return state.bulk.remove(at: index).waiter
                }
                return nil
            }
            waiter?.resume(returning: .failure(.transport(.cancelled)))
        }
        try result.get()
    }

    /// An answer at once, or `nil` when the request has joined the queue.
    private func enter(
        _ waiter: Waiter, id: UInt64, _ purpose: Purpose, _ state: inout State
    ) -> Result<Void, ZoomFailure>? {
        // The cancellation handler may have run before this; the task then knows.
        if Task.isCancelled || state.isClosed { return .failure(.transport(.cancelled)) }
        let now = time.now
        if state.isEmpty, state.pace.nextSlot(at: now) <= now {
            state.pace.spend(at: now)
            return .success(())
        }
        switch purpose {
        case .interactive:
            let wait = state.pace.wait(position: state.interactive.count, at: now)
            if wait > waitMax { return .failure(.paced(wait: wait)) }
            state.interactive.append((id, waiter))
        case .bulk:
            state.bulk.append((id, waiter))
        }
        if state.pump == nil {
            state.pump = Task { await self.pump() }
        }
        return nil
    }

    private func pump() async {
        while true {
            let slot = state.withLock { state -> Moment? in
                if state.isEmpty || Task.isCancelled {
                    state.pump = nil
                    return nil
                }
                return state.pace.nextSlot(at: time.now)
            }
            guard let slot else { return }
            try? await time.sleep(until: slot)
            let waiter = state.withLock { state -> Waiter? in
                guard let next = state.interactive.popFirst() ?? state.bulk.popFirst() else { return nil }
                state.pace.spend(at: max(time.now, slot))
                return next.waiter
            }
            waiter?.resume(returning: .success(()))
        }
    }

    /// Turns everybody away.
    func close() {
        let waiters = state.withLock { state in
            state.isClosed = true
            state.pump?.cancel()
            defer {
                state.interactive.removeAll()
                state.bulk.removeAll()
            }
            return state.interactive.map(\.waiter) + state.bulk.map(\.waiter)
        }
        for waiter in waiters { waiter.resume(returning: .failure(.transport(.cancelled))) }
    }
}
