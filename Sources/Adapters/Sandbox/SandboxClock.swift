import Domain
import Synchronization

/// The sandbox's time: the machine's, until somebody moves it, so that a day's limit or a token's hour is over when a test
/// wants it to be.
final class SandboxClock: TimeSource {
    private struct Shift {
        /// Of what only goes forward.
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

    /// Tokens expire and limits are over as if so much time had passed. Backwards only the date goes.
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
