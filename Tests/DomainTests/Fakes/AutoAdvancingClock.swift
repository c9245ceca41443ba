package import Domain
import Synchronization

/// A clock that advances as soon as a task sleeps, for tests that do not depend on the order of concurrent sleeps. A
/// sleep of more than five minutes ends by cancellation only.
package final class AutoAdvancingClock: TimeSource {
    private let elapsed = Mutex(Duration.zero)

    package init() {}

    package var now: Moment { Moment(sinceOrigin: elapsed.withLock { $0 }) }

    package var timestamp: Timestamp {
        Timestamp(secondsSinceEpoch: 1_769_860_800 + now.sinceOrigin.components.seconds)
    }

    package var millisecondsSinceEpoch: Int64 { timestamp.secondsSinceEpoch * 1000 }

    package func sleep(until moment: Moment) async throws(CancellationError) {
        guard !Task.isCancelled else { throw CancellationError() }
        guard moment - now <= .seconds(300) else {
            let (never, continuation) = AsyncStream<Never>.makeStream()
            for await _ in never {}
            _ = continuation
            throw CancellationError()
        }
        elapsed.withLock { $0 = max($0, moment.sinceOrigin) }
        await Task.yield()
    }
}
