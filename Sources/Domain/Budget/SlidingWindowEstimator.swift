/// Estimates the remaining quota of a rate limit that other clients share: requests in any window of one second, ours
/// and theirs together.
///
/// Our requests are known. The source reports its remaining quota with each response, which gives the number of other
/// requests. Between responses, the others are assumed to continue at their average rate. A request may be sent when
/// there is room for it with a probability of 98.5 %. A higher value would leave too much of the quota unused; a lower
/// one would cause too many refusals.
package struct SlidingWindowEstimator: Sendable, Equatable {
    private let limit: Int

    /// The maximum number of our requests in one window.
    private let ourLimit: Int

    /// When our requests were sent that may still count, oldest first.
    private var ours: [Moment] = []

    /// The estimated times of other requests that may still count, oldest first.
    private var theirs: [Moment] = []

    /// Requests per second of other clients: a moving average over about ten responses.
    private var theirRate = 0.0
    private var lastTold: Moment?

    /// How long a request counts: the source's window, and a margin for variations in network latency.
    private static let window = Duration.seconds(1) + Pacer.guardTime

    /// From sending a request until the source counts it.
    private static let way = Duration.milliseconds(3)

    /// If no response has arrived for this long, the next request is sent as soon as there may be room, to learn the
    /// remaining quota.
    private static let silenceMax = Duration.milliseconds(500)

    /// - Parameters:
    ///   - limit: Requests in any one second, more than 0.
    ///   - ourShare: The fraction of the limit that we may use, above 0 to 1.
    package init(limit: Int, ourShare: Double = 1) {
        precondition(limit > 0, "the limit must be positive")
        self.limit = limit
        ourLimit = max(Int(Double(limit) * ourShare), 1)
    }

    /// Requests per second that the other clients leave for us; at least a twentieth of the limit.
    package var ourRate: Double { max(Double(limit) - theirRate, Double(limit) / 20) }

    /// Whether other clients have used the rate recently.
    package var isShared: Bool { theirRate > 0.5 }

    package mutating func sent(at moment: Moment) {
        ours.append(moment)
    }

    /// Records the remaining quota that the source reported for the second of a request; 0 if it refused the request.
    ///
    /// - Parameter sent: When the request was sent.
    package mutating func told(left: Int, isRefused: Bool = false, sent: Moment, at now: Moment) {
        if isRefused, let index = ours.lastIndex(of: sent) { ours.remove(at: index) }
        forget(before: now)
        // Ignore a response that arrives out of order: a later request has reported newer data.
        guard sent >= lastTold ?? sent else { return }
        // As of the time of sending: requests sent later did not count yet.
        let start = sent - .seconds(1)
        let ourCount = ours.count { $0 > start && $0 <= sent }
        let known = theirs.count { $0 > start }
        let theirCount = min(max(limit - left - ourCount, 0), limit)
        // New requests of others arrived after the last response. They are assumed to be evenly spaced.
        let last = max(lastTold ?? start, start)
        for number in 0..<max(theirCount - known, 0) {
            theirs.append(last + (sent - last) * (number + 1) / (theirCount - known))
        }
        if theirCount < known { theirs.removeFirst(known - theirCount) }
        theirRate += (Double(theirCount) - theirRate) / 10
        lastTold = sent
    }

    /// The earliest time from `now` on at which a request may be sent. Used while `isShared`.
    package func nextSlot(at now: Moment) -> Moment {
        // Space our requests so that they arrive in order. The reported quota then describes the time of its own
        // request.
        let now = max(now, ours.last.map { $0 + Self.way } ?? now)
        var moments = [now]
        for moment in ours + theirs where moment + Self.window > now { moments.append(moment + Self.window) }
        moments.sort()
        let known = lastTold ?? now
        for moment in moments {
            let room = room(at: moment)
            guard room > 0 else { continue }
            let unknown = Double(milliseconds: moment - known + Self.way) / 1000 * theirRate
            if unknown <= Self.expectedMax(room: room) || moment - known >= Self.silenceMax {
                return moment
            }
        }
        return max(moments.last ?? now, known + Self.silenceMax)
    }

    private func room(at moment: Moment) -> Int {
        let start = moment - Self.window
        let ours = ours.count { $0 > start }
        return min(limit - theirs.count { $0 > start }, ourLimit) - ours
    }

    private mutating func forget(before now: Moment) {
        let start = now - Self.window * 2
        ours.removeAll { $0 < start }
        theirs.removeAll { $0 < start }
    }

    /// The highest expected number of other requests for which fewer than `room` arrive with a probability of 98.5 %.
    /// These are quantiles of the Poisson distribution; beyond the table, a slightly low bound.
    private static func expectedMax(room: Int) -> Double {
        let table = [0, 0.015, 0.184, 0.508, 0.930, 1.419, 1.955, 2.529, 3.131, 3.758, 4.405]
        guard room >= table.count else { return table[room] }
        return Double(room) - 2.17 * Double(room).squareRoot() + 1.25
    }
}

extension Double {
    fileprivate init(milliseconds duration: Duration) {
        self = duration / .milliseconds(1)
    }
}
