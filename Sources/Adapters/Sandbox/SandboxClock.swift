import Domain
import Synchronization

/// The sandbox's clock. Tests can move it forward, so that a daily limit resets or a token expires without waiting.
final class SandboxClock: TimeSource {
    private struct Shift {
        /// The shift of the monotonic clock.
        var moments = Duration.zero
        var seconds: Int64 = 0
    }

    private let base: any TimeSource
    private let shift = Mutex(Shift())

    init(_ base: any TimeSource) {
        self.base = base
    }

    var now: Moment { base.now + shift.withLock { $0.moments } }

    var timestamp: Timestamp {
        Timestamp(secondsSinceEpoch: base.timestamp.secondsSinceEpoch + shift.withLock { $0.seconds })
    }

    func sleep(until moment: Moment) async throws(CancellationError) {
        try await base.sleep(until: moment - shift.withLock { $0.moments })
    }

    /// Moves the clock: tokens expire and limits reset as if the time had passed. Negative values change only the date.
    func advance(bySeconds seconds: Int64) {
        shift.withLock { shift in
            shift.seconds += seconds
            if seconds > 0 { shift.moments += .seconds(seconds) }
        }
    }

    func set(_ timestamp: Timestamp) {
        advance(bySeconds: timestamp.secondsSinceEpoch - self.timestamp.secondsSinceEpoch)
    }
}
