package import Domain
import Synchronization

/// A clock that advances only when the test says so. Its civil time can be set, as that of a system.
package final class TestClock: TimeSource {
    private struct Sleeper {
        let id: Int
        let moment: Moment
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var now = Duration.zero

        /// How far the civil time was set back.
        var setBack = Duration.zero
        var lastID = 0
        var sleepers: [Sleeper] = []
        var watchers: [(count: Int, wait: PendingWait<Void>)] = []
    }

    private let state = Mutex(State())
    private let start: Timestamp
    private let civil = SteadyCivilTime()

    package init(start: Timestamp = Timestamp(secondsSinceEpoch: 1_769_860_800)) {
        self.start = start
    }

    package var now: Moment { state.withLock { Moment(sinceOrigin: $0.now) } }

    package var timestamp: Timestamp {
        Timestamp(
            secondsSinceEpoch: start.secondsSinceEpoch + state.withLock { $0.now - $0.setBack }.components.seconds)
    }

    package var millisecondsSinceEpoch: Int64 {
        let (now, setBack) = state.withLock { ($0.now, $0.setBack) }
        let (seconds, attoseconds) = (now - setBack).components
        return civil.milliseconds(
            system: (start.secondsSinceEpoch + seconds) * 1000 + attoseconds / 1_000_000_000_000_000,
            at: Moment(sinceOrigin: now))
    }

    /// Sets the civil time back, or forward by a negative duration.
    package func setCivilTime(back duration: Duration) { state.withLock { $0.setBack += duration } }

    package func sleep(until moment: Moment) async throws(CancellationError) {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        let isWoken = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (isPast, watchers) = state.withLock { state in
                    if Task.isCancelled || state.now >= moment.sinceOrigin {
                        return (true, [PendingWait<Void>]())
                    }
                    state.sleepers.append(Sleeper(id: id, moment: moment, continuation: continuation))
                    return (false, Self.takeWatchers(&state))
                }
                if isPast { continuation.resume(returning: !Task.isCancelled) }
                for watcher in watchers { watcher.resume(returning: ()) }
            }
        } onCancel: {
            let sleeper = state.withLock { state -> Sleeper? in
                guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else { return nil }
                return state.sleepers.remove(at: index)
            }
            sleeper?.continuation.resume(returning: false)
        }
        if !isWoken { throw CancellationError() }
    }

    private static func takeWatchers(_ state: inout State) -> [PendingWait<Void>] {
        let count = state.sleepers.count
        defer { state.watchers.removeAll { $0.count <= count } }
        return state.watchers.filter { $0.count <= count }.map(\.wait)
    }

    /// Returns when at least this many tasks sleep.
    package func sleepers(
        _ count: Int, file: String = #fileID, line: Int = #line
    ) async throws(CancellationError) {
        try await wait(for: "\(count) sleepers", file: file, line: line) { (pending: PendingWait<Void>) in
            let isThere = state.withLock { state in
                if state.sleepers.count >= count { return true }
                state.watchers.append((count, pending))
                return false
            }
            if isThere { pending.resume(returning: ()) }
        }
    }

    /// Advances the time, and wakes the tasks whose sleep has ended.
    package func advance(by duration: Duration) {
        let woken = state.withLock { state in
            state.now += duration
            let now = Moment(sinceOrigin: state.now)
            defer { state.sleepers.removeAll { $0.moment <= now } }
            return state.sleepers.filter { $0.moment <= now }
        }
        for sleeper in woken { sleeper.continuation.resume(returning: true) }
    }
}
