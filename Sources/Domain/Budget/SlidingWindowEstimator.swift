/// What is left of a rate that others use as well: so many requests in any one second, ours and theirs together.
///
/// Ours are known. Of theirs the source tells with each answer how many there were, by what it says is left; between two
/// answers they are expected to go on as before. A request goes when there is room for it with a chance of 985 in 1000: with more,
/// too little of what others leave would be used; with less, too much would be refused.
package struct SlidingWindowEstimator: Sendable, Equatable {
    private let limit: Int

    /// Of the limit, what ours may be at most.
    private let ourLimit: Int

    /// Those that may still count, oldest first.
    private var ours: [Moment] = []

    /// Likewise, each at the moment at which it is thought to have come.
    private var theirs: [Moment] = []

    /// What they send in a second, on the average of the last answers.
    private var theirRate = 0.0
    private var lastTold: Moment?

    /// How long a request counts, with what its way may take longer than another's.
    private static let window = Duration.seconds(1) + Pacer.guardTime

    /// From sending a request to its being counted.
    private static let way = Duration.milliseconds(3)

    /// Without an answer for so long, one is sent as soon as there may be room, to learn more.
    private static let silenceMax = Duration.milliseconds(500)

    /// - Parameters:
    ///   - limit: Requests in any one second, more than 0.
    ///   - ourShare: How much of it is ours, above 0 to 1.
    package init(limit: Int, ourShare: Double = 1) {
        precondition(limit > 0, "a limit lets something through")
        self.limit = limit
        ourLimit = max(Int(Double(limit) * ourShare), 1)
    }

    /// How many requests a second there is room for beside the others', at least a twentieth of the limit.
    package var ourRate: Double { max(Double(limit) - theirRate, Double(limit) / 20) }

    /// Whether anybody else has been seen of late.
    package var isShared: Bool { theirRate > 0.5 }

    package mutating func sent(at moment: Moment) {
        ours.append(moment)
    }

    /// The source says how many more it would take in the same second as a request that was sent at `sent`; 0 when it
    /// refused it.
    package mutating func told(left: Int, isRefused: Bool = false, sent: Moment, at now: Moment) {
        if isRefused, let index = ours.lastIndex(of: sent) { ours.remove(at: index) }
        forget(before: now)
        // An answer that was overtaken by a later one says nothing new.
        guard sent >= lastTold ?? sent else { return }
        // Of the moment at which it was sent: those that went after it were not there yet.
        let start = sent - .seconds(1)
        let ourCount = ours.count { $0 > start && $0 <= sent }
        let known = theirs.count { $0 > start }
        let theirCount = min(max(limit - left - ourCount, 0), limit)
        // Those that are new have come since the last answer, one after another.
        let last = max(lastTold ?? start, start)
        for number in 0..<max(theirCount - known, 0) {
            theirs.append(last + (sent - last) * (number + 1) / (theirCount - known))
        }
        if theirCount < known { theirs.removeFirst(known - theirCount) }
        theirRate += (Double(theirCount) - theirRate) / 10
        lastTold = sent
    }

    /// The earliest moment from `now` on at which a request may go beside the others'; for when it `isShared`.
    package func nextSlot(at now: Moment) -> Moment {
        // One after another, so that they come in the order they went: what an answer says is left is then of its moment.
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

    /// How many may be expected to come so that with a chance of 985 in 1000 fewer than `room` do (the quantiles of
    /// Poisson's distribution; beyond the table a bound that is a little low).
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
