import Domain
import Glibc
import Synchronization

/// The time and the processor that the current thread has used.
struct ThreadUse {
    let wall: Duration
    let cpu: Duration

    /// How often the kernel gave the processor to another thread that had to run.
    let preemptions: Int

    static var now: ThreadUse {
        var usage = rusage()
        // RUSAGE_THREAD, which Swift does not import.
        getrusage(1, &usage)
        return ThreadUse(
            wall: read(CLOCK_MONOTONIC), cpu: read(CLOCK_THREAD_CPUTIME_ID), preemptions: Int(usage.ru_nivcsw))
    }

    private static func read(_ clock: clockid_t) -> Duration {
        var time = timespec()
        clock_gettime(clock, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}

/// Reads the cache on a thread of its own: lookups and runs in turn.
final class ConcurrentReader: Sendable {
    private let cache: BillingCache
    private let time: any TimeSource
    private let list: AccountList
    private let accounts: [AccountID]
    private let isOver = Atomic(false)

    init(_ cache: BillingCache, _ time: any TimeSource, _ list: AccountList, _ accounts: [AccountID]) {
        self.cache = cache
        self.time = time
        self.list = list
        self.accounts = accounts
    }

    /// The longest reads.
    private struct Longest: Sendable {
        var reads = 0
        var wall = Duration.zero
        var cpu = Duration.zero

        /// Without the reads during which the kernel ran another thread instead.
        var undisturbed = Duration.zero
    }

    /// Runs `work`, and prints the longest reads meanwhile.
    func watch(_ name: String, _ work: () -> Void) throws {
        isOver.store(false, ordering: .relaxed)
        var thread = pthread_t()
        // Joined below, so the references outlive the thread.
        let context = Unmanaged.passRetained(Context(reader: self))
        guard
            pthread_create(
                &thread, nil,
                { argument in
                    guard let argument else { return nil }
                    let context = Unmanaged<Context>.fromOpaque(argument).takeUnretainedValue()
                    let longest = context.reader.read()
                    context.longest.withLock { $0 = longest }
                    return nil
                }, context.toOpaque()) == 0
        else { preconditionFailure("no thread") }
        let start = ThreadUse.now
        work()
        isOver.store(true, ordering: .relaxed)
        pthread_join(thread, nil)
        let longest = context.takeRetainedValue().longest.withLock { $0 }
        print(
            """
            \(name): \((ThreadUse.now.wall - start.wall) / .milliseconds(1)) ms, \(longest.reads) concurrent reads, the \
            longest \(longest.wall / .microseconds(1)) us, without preemption \(longest.undisturbed / .microseconds(1)) us, \
            \(longest.cpu / .microseconds(1)) us of CPU
            """)
    }

    private final class Context: Sendable {
        let reader: ConcurrentReader
        let longest = Mutex(Longest())

        init(reader: ConcurrentReader) { self.reader = reader }
    }

    private func read() -> Longest {
        var longest = Longest()
        var random = SystemRandomNumberGenerator()
        while !isOver.load(ordering: .relaxed) {
            let number = Int.random(in: 0..<accounts.count, using: &random)
            let now = time.now
            let start = ThreadUse.now
            if longest.reads.isMultiple(of: 2) || number >= list.count {
                _ = cache.cached(
                    .billingInformation(of: accounts[number]), under: nil, directives: .none, at: now)
            } else {
                _ = cache.run(
                    of: .contact, under: nil, in: list, number..<list.count, directives: .none, at: now)
            }
            let end = ThreadUse.now
            longest.reads += 1
            longest.wall = max(longest.wall, end.wall - start.wall)
            longest.cpu = max(longest.cpu, end.cpu - start.cpu)
            if end.preemptions == start.preemptions {
                longest.undisturbed = max(longest.undisturbed, end.wall - start.wall)
            }
        }
        return longest
    }
}
