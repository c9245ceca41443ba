package import Domain
import Foundation
import Synchronization

/// Runs tasks one after another on one thread, in an order that a seed decides, and in virtual time.
///
/// Time passes only when all tasks wait. The same seed gives the same run, except for what depends on the hashes of the standard
/// library: set `SWIFT_DETERMINISTIC_HASHING=1` to repeat a run exactly.
package enum Simulation {
    /// The tasks did not end.
    package struct Stuck: Error {
        package let jobs: Int
    }

    private static let jobsMax = 1_000_000

    /// Runs `body`, and the tasks that it starts, on a new thread.
    ///
    /// - Throws: `Stuck` if all tasks wait for one another.
    package static func run<Value: Sendable>(
        seed: UInt64, _ body: @escaping @Sendable (SimulatedClock) async -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try runOnThisThread(seed: seed, body) })
            }
        }
    }

    private final class Outcome<Value: Sendable>: Sendable {
        let value = Mutex<Value?>(nil)
    }

    private static func runOnThisThread<Value: Sendable>(
        seed: UInt64, _ body: @escaping @Sendable (SimulatedClock) async -> Value
    ) throws -> Value {
        let (jobs, clock, outcome) = (SimulatedJobs(), SimulatedClock(), Outcome<Value>())
        SimulatedJobs.begin(jobs)
        defer { SimulatedJobs.end() }
        Task {
            let value = await body(clock)
            outcome.value.withLock { $0 = value }
        }
        var random = SeededRandom(seed: seed)
        var count = 0
        while count < jobsMax {
            if let job = jobs.take(using: &random) {
                count += 1
                job.runSynchronously(on: jobs.asUnownedTaskExecutor())
            } else if let value = outcome.value.withLock({ $0 }) {
                // Lets the tasks end that still wait.
                guard clock.close() else { return value }
            } else if !clock.advance() {
                break
            }
        }
        throw Stuck(jobs: count)
    }
}

/// The parts of tasks that can run now.
private final class SimulatedJobs: TaskExecutor {
    private let jobs = Mutex<[UnownedJob]>([])

    func enqueue(_ job: UnownedJob) { jobs.withLock { $0.append(job) } }

    func enqueue(_ job: consuming ExecutorJob) { enqueue(UnownedJob(job)) }

    func take(using random: inout SeededRandom) -> UnownedJob? {
        jobs.withLock { jobs in
            guard let index = jobs.indices.randomElement(using: &random) else { return nil }
            jobs.swapAt(index, jobs.count - 1)
            return jobs.removeLast()
        }
    }

    // MARK: Threads

    /// The jobs of the threads that simulate.
    private static let simulating = Mutex<[UInt: SimulatedJobs]>([:])
    private static let count = Atomic<Int>(0)

    static func begin(_ jobs: SimulatedJobs) {
        _ = isHooked
        simulating.withLock { $0[UInt(pthread_self())] = jobs }
        count.add(1, ordering: .sequentiallyConsistent)
    }

    static func end() {
        simulating.withLock { $0[UInt(pthread_self())] = nil }
        count.subtract(1, ordering: .sequentiallyConsistent)
    }

    private typealias Enqueue = @convention(thin) (UnownedJob) -> Void
    private typealias EnqueueHook = @convention(thin) (UnownedJob, Enqueue) -> Void

    /// The runtime calls this hook for every job without an executor. Jobs of other threads go to the usual one.
    private static let isHooked: Bool = {
        guard let symbol = dlsym(dlopen(nil, 0), "swift_task_enqueueGlobal_hook") else {
            preconditionFailure("the concurrency runtime has no hook")
        }
        symbol.assumingMemoryBound(to: EnqueueHook?.self).pointee = { job, enqueue in
            if count.load(ordering: .relaxed) > 0,
                let jobs = simulating.withLock({ $0[UInt(pthread_self())] })
            {
                jobs.enqueue(job)
            } else {
                enqueue(job)
            }
        }
        return true
    }()
}

/// A clock that goes to the end of the next sleep when all tasks wait.
package final class SimulatedClock: TimeSource {
    private struct Sleeper {
        let id: Int
        let end: Duration
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var now = Duration.zero
        var sleepers: [Sleeper] = []
        var lastID = 0
        var isClosed = false
    }

    private let state = Mutex(State())

    package var now: Moment { Moment(sinceOrigin: state.withLock { $0.now }) }
    package var timestamp: Timestamp { Timestamp(secondsSinceEpoch: millisecondsSinceEpoch / 1000) }
    package var millisecondsSinceEpoch: Int64 { 1_769_860_800_000 + Int64(now.sinceOrigin / .milliseconds(1)) }

    package func sleep(until moment: Moment) async throws(CancellationError) {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        let isOver = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver: Bool? = state.withLock { state in
                    if Task.isCancelled || state.isClosed { return false }
                    if moment.sinceOrigin <= state.now { return true }
                    state.sleepers.append(Sleeper(id: id, end: moment.sinceOrigin, continuation: continuation))
                    return nil
                }
                if let isOver { continuation.resume(returning: isOver) }
            }
        } onCancel: {
            wake { $0.id == id }
        }
        if !isOver || Task.isCancelled { throw CancellationError() }
    }

    private func wake(_ isCancelled: (Sleeper) -> Bool) {
        let cancelled = state.withLock { state in
            let cancelled = state.sleepers.filter(isCancelled)
            state.sleepers.removeAll(where: isCancelled)
            return cancelled
        }
        for sleeper in cancelled { sleeper.continuation.resume(returning: false) }
    }

    /// - Returns: Whether a task was asleep.
    fileprivate func advance() -> Bool {
        let woken = state.withLock { state -> [Sleeper] in
            guard let end = state.sleepers.map(\.end).min() else { return [] }
            state.now = max(state.now, end)
            let woken = state.sleepers.filter { $0.end == end }
            state.sleepers.removeAll { $0.end == end }
            return woken
        }
        for sleeper in woken { sleeper.continuation.resume(returning: true) }
        return !woken.isEmpty
    }

    /// Ends all sleeps, also later ones, as if their tasks were cancelled.
    ///
    /// - Returns: Whether a task was asleep.
    fileprivate func close() -> Bool {
        let any = state.withLock { state in
            state.isClosed = true
            return !state.sleepers.isEmpty
        }
        wake { _ in true }
        return any
    }
}
