import Domain
import Synchronization

/// The sandbox's clock: the system's time with an offset, which tests change to reset daily limits or expire tokens.
final class SandboxClock: TimeSource {
    private struct Offset {
        /// The offset of the monotonic clock.
        var moments = Duration.zero
        var seconds: Int64 = 0
    }

    private let base: any TimeSource
    private let offset = Mutex(Offset())

    init(_ base: any TimeSource) {
        self.base = base
    }

    var now: Moment { base.now + offset.withLock { $0.moments } }

    var timestamp: Timestamp {
        Timestamp(secondsSinceEpoch: base.timestamp.secondsSinceEpoch + offset.withLock { $0.seconds })
    }

    var millisecondsSinceEpoch: Int64 { base.millisecondsSinceEpoch + offset.withLock { $0.seconds } * 1000 }

    func sleep(until moment: Moment) async throws(CancellationError) {
        try await base.sleep(until: moment - offset.withLock { $0.moments })
    }

    /// Advances the clock, so that tokens expire and limits reset. A negative number moves only the date.
    func advance(bySeconds seconds: Int64) {
        offset.withLock { offset in
            offset.seconds += seconds
            if seconds > 0 { offset.moments += .seconds(seconds) }
        }
    }

    func set(_ timestamp: Timestamp) {
        advance(bySeconds: timestamp.secondsSinceEpoch - self.timestamp.secondsSinceEpoch)
    }
}
