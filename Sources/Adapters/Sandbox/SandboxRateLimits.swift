import DequeModule
import Domain
import Synchronization

/// Zoom's rate limits of one plan: so many requests in any one second, so many a day (Zoom: rate limits).
final class SandboxRateLimits: Sendable {
    enum Label: String, Sendable, CaseIterable {
        case light = "Light"
        case medium = "Medium"
        case heavy = "Heavy"
    }

    enum Verdict: Equatable {
        /// So many more go on in the same second; `nil` if there is no limit.
        case goesOn(left: Int?, of: Int?)
        case overPerSecond(limit: Int)
        /// The day's requests are spent; a new day begins at that time.
        case overPerDay(limit: Int, resets: Timestamp)
    }

    private struct Allowance {
        let perSecond: Int
        let perDay: Int?
    }

    private struct Usage {
        /// When the requests of the last second came.
        var lastSecond: Deque<Moment> = []
        var day: Int64 = 0
        var today = 0
    }

    /// Of one operation for one account: so many a day, and each so long after the one before it.
    private struct Special {
        let perDay: Int
        let apart: Duration
    }

    private struct SpecialUsage {
        var day: Int64 = 0
        var today = 0
        var last: Moment?
    }

    private let allowances: [Label: Allowance]
    private let specials: [SandboxOperation: Special]
    private let specialUsages = Mutex<[String: SpecialUsage]>([:])
    private let usages = Mutex<[Label: Usage]>([:])
    private let time: any TimeSource

    private static let secondsADay: Int64 = 86_400

    init(plan: SandboxConfiguration.Limits, time: any TimeSource) {
        self.time = time
        specials = plan == .none ? [:] : [.listInvoices: Special(perDay: 6, apart: .seconds(300))]
        allowances =
            switch plan {
            case .none: [:]
            case .free:
                [
                    .light: Allowance(perSecond: 4, perDay: 6000),
                    .medium: Allowance(perSecond: 2, perDay: 2000),
                    .heavy: Allowance(perSecond: 1, perDay: 1000),
                ]
            case .pro:
                [
                    .light: Allowance(perSecond: 30, perDay: nil),
                    .medium: Allowance(perSecond: 20, perDay: nil),
                    .heavy: Allowance(perSecond: 10, perDay: 30_000),
                ]
            case .business:
                [
                    .light: Allowance(perSecond: 80, perDay: nil),
                    .medium: Allowance(perSecond: 60, perDay: nil),
                    .heavy: Allowance(perSecond: 40, perDay: 60_000),
                ]
            }
    }

    /// Counts a request for an account against the limit that its operation has besides that of its label, if it has one.
    ///
    /// - Returns: Until when no other is answered, if this one is not either.
    func specialRefusal(of operation: SandboxOperation, for account: String) -> Timestamp? {
        guard let special = specials[operation] else { return nil }
        let (now, timestamp) = (time.now, time.timestamp.secondsSinceEpoch)
        let day = timestamp / Self.secondsADay
        return specialUsages.withLock { usages in
            // Those of yesterday say nothing any more.
            if usages.count > 10_000 { usages = usages.filter { $0.value.day == day } }
            var usage = usages["\(operation.rawValue) \(account)"] ?? SpecialUsage()
            if usage.day != day { usage = SpecialUsage(day: day, today: 0, last: usage.last) }
            if usage.today >= special.perDay {
                return Timestamp(secondsSinceEpoch: (day + 1) * Self.secondsADay)
            }
            if let last = usage.last, now - last < special.apart {
                let wait = (special.apart - (now - last)).components.seconds + 1
                return Timestamp(secondsSinceEpoch: timestamp + wait)
            }
            usage.today += 1
            usage.last = now
            usages["\(operation.rawValue) \(account)"] = usage
            return nil
        }
    }

    /// Counts a request, unless it is over a limit.
    func verdict(for label: Label) -> Verdict {
        guard let allowance = allowances[label] else { return .goesOn(left: nil, of: nil) }
        let now = time.now
        let day = time.timestamp.secondsSinceEpoch / Self.secondsADay
        return usages.withLock { usages in
            var usage = usages[label] ?? Usage()
            defer { usages[label] = usage }
            if usage.day != day {
                usage.day = day
                usage.today = 0
            }
            while let first = usage.lastSecond.first, now - first >= .seconds(1) { usage.lastSecond.removeFirst() }
            if let perDay = allowance.perDay, usage.today >= perDay {
                let reset = Timestamp(secondsSinceEpoch: (day + 1) * Self.secondsADay)
                return .overPerDay(limit: perDay, resets: reset)
            }
            guard usage.lastSecond.count < allowance.perSecond else {
                return .overPerSecond(limit: allowance.perSecond)
            }
            usage.lastSecond.append(now)
            usage.today += 1
            return .goesOn(left: allowance.perSecond - usage.lastSecond.count, of: allowance.perSecond)
        }
    }
}
