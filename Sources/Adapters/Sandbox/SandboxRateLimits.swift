import DequeModule
import Domain
import Synchronization

/// Zoom's rate limits of one plan: requests in any second, and requests a day (Zoom: rate limits).
final class SandboxRateLimits: Sendable {
    enum Label: String, Sendable, CaseIterable {
        case light = "Light"
        case medium = "Medium"
        case heavy = "Heavy"
    }

    enum Verdict: Equatable {
        /// The request is allowed; `left` more are allowed in the same second. Both are nil without a limit.
        case allowed(left: Int?, of: Int?)
        case overPerSecond(limit: Int)
        /// The daily quota is exhausted; it resets at this time.
        case overPerDay(limit: Int, resets: Timestamp)
    }

    private struct Quota {
        let perSecond: Int
        let perDay: Int?
    }

    private struct Usage {
        /// The times of the requests in the last second.
        var lastSecond: Deque<Moment> = []
        var day: Int64 = 0
        var today = 0
    }

    /// The limit of one operation for one account: requests a day, and the minimum time between two of them.
    private struct Special {
        let perDay: Int
        let apart: Duration
    }

    private struct SpecialUsage {
        var day: Int64 = 0
        var today = 0
        var last: Moment?
    }

    private let quotas: [Label: Quota]
    private let specials: [SandboxOperation: Special]
    private let specialUsages = Mutex<[String: SpecialUsage]>([:])
    private let usages = Mutex<[Label: Usage]>([:])
    private let time: any TimeSource

    private static let secondsADay: Int64 = 86_400

    init(plan: SandboxConfiguration.Limits, time: any TimeSource) {
        self.time = time
        specials = plan == .none ? [:] : [.listInvoices: Special(perDay: 6, apart: .seconds(300))]
        quotas =
            switch plan {
            case .none: [:]
            case .free:
                [
                    .light: Quota(perSecond: 4, perDay: 6000),
                    .medium: Quota(perSecond: 2, perDay: 2000),
                    .heavy: Quota(perSecond: 1, perDay: 1000),
                ]
            case .pro:
                [
                    .light: Quota(perSecond: 30, perDay: nil),
                    .medium: Quota(perSecond: 20, perDay: nil),
                    .heavy: Quota(perSecond: 10, perDay: 30_000),
                ]
            case .business:
                [
                    .light: Quota(perSecond: 80, perDay: nil),
                    .medium: Quota(perSecond: 60, perDay: nil),
                    .heavy: Quota(perSecond: 40, perDay: 60_000),
                ]
            }
    }

    /// Counts a request for an account against the additional limit of its operation, if there is one.
    ///
    /// - Returns: The end of the limit if the request is refused; nil if it is allowed.
    func specialRefusal(of operation: SandboxOperation, for account: String) -> Timestamp? {
        guard let special = specials[operation] else { return nil }
        let (now, timestamp) = (time.now, time.timestamp.secondsSinceEpoch)
        let day = timestamp / Self.secondsADay
        return specialUsages.withLock { usages in
            // Yesterday's requests do not count.
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
        guard let quota = quotas[label] else { return .allowed(left: nil, of: nil) }
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
            if let perDay = quota.perDay, usage.today >= perDay {
                let reset = Timestamp(secondsSinceEpoch: (day + 1) * Self.secondsADay)
                return .overPerDay(limit: perDay, resets: reset)
            }
            guard usage.lastSecond.count < quota.perSecond else {
                return .overPerSecond(limit: quota.perSecond)
            }
            usage.lastSecond.append(now)
            usage.today += 1
            return .allowed(left: quota.perSecond - usage.lastSecond.count, of: quota.perSecond)
        }
    }
}
