import DequeModule
import Domain
import Synchronization

/// The rate limits of one of Zoom's plans, per second and per day (Zoom: Rate limits).
final class SandboxRateLimits: Sendable {
    /// Zoom's rate-limit labels.
    enum Label: String, Sendable, CaseIterable {
        case light = "Light"
        case medium = "Medium"
        case heavy = "Heavy"
    }

    /// An additional limit of an operation for each account.
    struct PerAccount: Sendable {
        /// Requests a day.
        let perDay: Int
        /// The minimum time between two requests.
        let spacing: Duration
    }

    enum Verdict: Equatable {
        /// Also says how many requests remain in this second; `nil` if there is no limit.
        case withinLimits(remaining: Int?, of: Int?)
        case overPerSecond(limit: Int)
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

    private struct AccountUsage {
        var day: Int64 = 0
        var today = 0
        var last: Moment?
    }

    private let quotas: [Label: Quota]
    private let limitsAccounts: Bool
    private let usages = Mutex<[Label: Usage]>([:])

    /// By operation and account id.
    private let accountUsages = Mutex<[String: AccountUsage]>([:])
    private let time: any TimeSource

    private static let secondsADay: Int64 = 86_400

    init(plan: SandboxConfiguration.Limits, time: any TimeSource) {
        self.time = time
        limitsAccounts = plan != .none
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

    /// Counts a request against the operation's limit for the account.
    ///
    /// - Returns: When the account's requests resume, if this request is over the limit; `nil` if it is within.
    func refusal(by limit: PerAccount, of operation: SandboxOperation, for account: String) -> Timestamp? {
        guard limitsAccounts else { return nil }
        let (now, timestamp) = (time.now, time.timestamp.secondsSinceEpoch)
        let day = timestamp / Self.secondsADay
        return accountUsages.withLock { usages in
            // Usage of earlier days has no effect.
            if usages.count > 10_000 { usages = usages.filter { $0.value.day == day } }
            var usage = usages["\(operation.rawValue) \(account)"] ?? AccountUsage()
            if usage.day != day { usage = AccountUsage(day: day, today: 0, last: usage.last) }
            if usage.today >= limit.perDay {
                return Timestamp(secondsSinceEpoch: (day + 1) * Self.secondsADay)
            }
            if let last = usage.last, now - last < limit.spacing {
                let wait = (limit.spacing - (now - last)).components.seconds + 1
                return Timestamp(secondsSinceEpoch: timestamp + wait)
            }
            usage.today += 1
            usage.last = now
            usages["\(operation.rawValue) \(account)"] = usage
            return nil
        }
    }

    /// Counts a request under a label, unless it is over a limit.
    func verdict(for label: Label) -> Verdict {
        guard let quota = quotas[label] else { return .withinLimits(remaining: nil, of: nil) }
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
            guard usage.lastSecond.count < quota.perSecond else { return .overPerSecond(limit: quota.perSecond) }
            usage.lastSecond.append(now)
            usage.today += 1
            return .withinLimits(remaining: quota.perSecond - usage.lastSecond.count, of: quota.perSecond)
        }
    }
}
