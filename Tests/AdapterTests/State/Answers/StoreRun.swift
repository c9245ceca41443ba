import Adapters
import Domain
import Logging
import Metrics
import Synchronization
import Testing

/// A clock that advances only when the test says so. Nothing sleeps.
final class SetClock: TimeSource {
    private let elapsed = Mutex(Duration.zero)

    var now: Moment { Moment(sinceOrigin: elapsed.withLock { $0 }) }

    var timestamp: Timestamp {
        Timestamp(secondsSinceEpoch: 1_800_000_000 + now.sinceOrigin.components.seconds)
    }

    var millisecondsSinceEpoch: Int64 { 1_800_000_000_000 + Int64(now.sinceOrigin / .milliseconds(1)) }

    func advance(by duration: Duration) { elapsed.withLock { $0 += duration } }

    func sleep(until moment: Moment) async throws(CancellationError) { throw CancellationError() }
}

/// One life of a process that stores answers: an `AnswersStore` whose steps the test makes.
final class StoreRun {
    let store: AnswersStore
    let pages: FakePages
    let clock: SetClock
    var changedAt: [AccountID: Int64]? = [:]

    /// - Parameter path: The state file.
    init(
        _ path: String, _ pages: FakePages = FakePages(), keys: SealingKeys = .none, clock: SetClock = SetClock(),
        retention: Duration = .seconds(86_400), source: String = "", metrics: any MetricsFactory = .none,
        logger: Logger = Logger(label: "none") { _ in SwiftLogNoOpLogHandler() }
    ) {
        self.pages = pages
        self.clock = clock
        var rules = AnswersStore.Rules()
        rules.retention = retention
        store = AnswersStore(
            stateFile: PrivateFile(path: path), keys: keys, pages: pages, documents: pages,
            source: { SHA256Digest(of: source) }, rules: rules, time: clock,
            metrics: metrics, logger: logger)
    }

    /// A store at rest whose memory has one answer that is not written yet.
    static func withOneAnswer(_ path: String) -> StoreRun {
        let run = StoreRun(path)
        run.settle()
        run.pages.put(1, "a", at: run.clock.millisecondsSinceEpoch, "value")
        return run
    }

    /// Makes steps until the next one is due later.
    func settle() {
        var next = store.step()
        for _ in 0..<10_000 {
            switch next {
            case .restore: next = store.restore(changedAt: changedAt)
            case .wait(let moment):
                guard moment <= clock.now else { return }
                next = store.step()
            }
        }
        Issue.record("the store does not come to rest")
    }

    /// Makes the steps of some write intervals.
    func settle(after duration: Duration) {
        clock.advance(by: duration)
        settle()
    }

    /// Writes what has changed.
    func write() { settle(after: .seconds(5)) }

    func close() { store.close(deadline: clock.now + .seconds(1)) }
}
