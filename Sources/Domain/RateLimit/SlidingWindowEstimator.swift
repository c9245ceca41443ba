/// Estimates the remaining quota of a rate limit that other clients share: requests in any window of one second, ours and
/// theirs together.
///
/// Our requests are known. The source reports its remaining quota with each response, which gives the number of other
/// requests. Between responses, the others are assumed to continue at their average rate. A request may be sent when
/// there is room for it with a probability of 98.5 %. A higher value would leave too much of the quota unused; a lower
/// one would cause too many refusals.
package struct SlidingWindowEstimator: Sendable, Equatable {
    private let limit: Int

    /// The maximum number of our requests in one window.
    private let ownLimit: Int

    /// When our requests were sent that may still count, oldest first.
    private var ownRequests: [Moment] = []

    /// The estimated times of other requests that may still count, oldest first.
    private var otherRequests: [Moment] = []

    /// Requests per second of other clients: a moving average over about ten responses.
    private var otherRate = 0.0
    private var lastReported: Moment?

    /// How long a request counts: the source's window, and a margin for variations in network latency.
    private static let window = Duration.seconds(1) + Pacer.guardTime

    /// From sending a request until the source counts it.
    private static let sendLatency = Duration.milliseconds(3)

    /// If no response has arrived for this long, the next request is sent as soon as there may be room, to learn the
    /// remaining quota.
    private static let reportAgeMax = Duration.milliseconds(500)

    /// - Parameters:
    ///   - limit: Requests in any one second, more than 0.
    ///   - share: The fraction of the limit that we may use, above 0 to 1.
    package init(limit: Int, share: Double = 1) {
        precondition(limit > 0, "the limit must be positive")
        self.limit = limit
        ownLimit = max(Int(Double(limit) * share), 1)
    }

    /// Requests per second that the other clients leave for us; at least a twentieth of the limit.
    package var availableRate: Double { max(Double(limit) - otherRate, Double(limit) / 20) }

    /// Whether other clients have used the rate recently.
    package var isShared: Bool { otherRate > 0.5 }

    package mutating func sent(at moment: Moment) {
        ownRequests.append(moment)
    }

    /// Records the remaining quota that the source reported for the second of a request; 0 if it refused the request.
    ///
    /// - Parameter sent: When the request was sent.
    package mutating func reported(remaining: Int, isRefused: Bool = false, sent: Moment, at now: Moment) {
        if isRefused, let index = ownRequests.lastIndex(of: sent) { ownRequests.remove(at: index) }
        removeRequests(before: now)
        // Ignore a response that arrives out of order: a later request has reported newer data.
        guard sent >= lastReported ?? sent else { return }
        // As of the time of sending: requests sent later did not count yet.
        let start = sent - .seconds(1)
        let ownCount = ownRequests.count { $0 > start && $0 <= sent }
        let known = otherRequests.count { $0 > start }
        let otherCount = min(max(limit - remaining - ownCount, 0), limit)
        // New requests of others arrived after the last response. They are assumed to be evenly spaced.
        let last = max(lastReported ?? start, start)
        for number in 0..<max(otherCount - known, 0) {
            otherRequests.append(last + (sent - last) * (number + 1) / (otherCount - known))
        }
        if otherCount < known { otherRequests.removeFirst(known - otherCount) }
        otherRate += (Double(otherCount) - otherRate) / 10
        lastReported = sent
    }

    /// The earliest time from `now` on at which a request may be sent. Used while `isShared`.
    package func nextSlot(at now: Moment) -> Moment {
        // Space our requests so that they arrive in order. The reported quota then describes the time of its own
        // request.
        let now = max(now, ownRequests.last.map { $0 + Self.sendLatency } ?? now)
        var moments = [now]
        for moment in ownRequests + otherRequests where moment + Self.window > now {
            moments.append(moment + Self.window)
        }
        moments.sort()
        let known = lastReported ?? now
        for moment in moments {
            let free = freeSlots(at: moment)
            guard free > 0 else { continue }
            let unknown = Double(milliseconds: moment - known + Self.sendLatency) / 1000 * otherRate
            if unknown <= Self.expectedMax(room: free) || moment - known >= Self.reportAgeMax {
                return moment
            }
        }
        return max(moments.last ?? now, known + Self.reportAgeMax)
    }

    private func freeSlots(at moment: Moment) -> Int {
        let start = moment - Self.window
        let own = ownRequests.count { $0 > start }
        return min(limit - otherRequests.count { $0 > start }, ownLimit) - own
    }

    private mutating func removeRequests(before now: Moment) {
        let start = now - Self.window * 2
        ownRequests.removeAll { $0 < start }
        otherRequests.removeAll { $0 < start }
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
