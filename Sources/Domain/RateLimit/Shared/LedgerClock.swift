/// Converts the times of a shared store's clock to moments of this process.
///
/// Each reply limits the difference of the two clocks: the store read its clock after the request was sent and before the reply
/// arrived. The limits of all replies hold together, widened by the drift of the clocks, so one fast reply makes the slow ones
/// after it exact as well.
struct LedgerClock: Sendable, Equatable {
    /// The limits of the difference: this process minus the store.
    private struct Limits: Equatable {
        var low: Duration
        var high: Duration
        let at: Moment
    }

    /// How much faster or slower one clock may run than the other.
    private static let driftPerSecond = Duration.microseconds(500)

    /// The largest difference of the limits with which moments are exact enough for slots.
    private static let uncertaintyMax = Duration.milliseconds(8)

    private var limits: Limits?

    /// Records a reply.
    ///
    /// - Parameter reading: The store's clock in the reply, in microseconds since 1970.
    /// - Returns: False if the store has another clock than before, so that its earlier times mean nothing.
    mutating func replied(_ reading: Int64, sent: Moment, at now: Moment) -> Bool {
        let reading = Duration.microseconds(reading)
        var new = Limits(low: sent.sinceOrigin - reading, high: now.sinceOrigin - reading, at: now)
        guard let old = limits else {
            limits = new
            return true
        }
        let drift = Self.driftPerSecond * ((now - old.at) / .seconds(1))
        let isSameClock = old.low - drift <= new.high && new.low <= old.high + drift
        if isSameClock {
            new.low = max(new.low, old.low - drift)
            new.high = min(new.high, old.high + drift)
        }
        limits = new
        return isSameClock
    }

    /// The time of the store at a moment; `nil` if the replies so far were too slow to tell.
    func time(at moment: Moment) -> Int64? {
        difference.map { Int64((moment.sinceOrigin - $0) / .microseconds(1)) }
    }

    /// The moment of a time of the store; `nil` if the replies so far were too slow to tell.
    func moment(of time: Int64) -> Moment? {
        difference.map { Moment(sinceOrigin: .microseconds(time) + $0) }
    }

    private var difference: Duration? {
        guard let limits, limits.high - limits.low <= Self.uncertaintyMax else { return nil }
        return (limits.low + limits.high) / 2
    }
}
