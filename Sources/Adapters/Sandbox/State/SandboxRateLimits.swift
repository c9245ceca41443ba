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
        enum Spaced: Sendable {
            case byAccount
            /// Requests for different invoices of an account need no time between them.
            case byInvoice
        }

        /// Requests a day.
        let perDay: Int
        /// The minimum time between two requests.
        let spacing: Duration
        let spaced: Spaced
    }

    enum AccountVerdict: Equatable {
        case withinLimits
        case tooSoon(resumes: Timestamp)
        case overPerDay(limit: Int, resets: Timestamp)
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
        /// The number of requests of the day by operation and account.
        var day: Int64 = 0
        var today: [String: Int] = [:]

        /// The end of the minimum time by operation, account and, if these are spaced, invoice.
        var resumes: [String: Moment] = [:]
    }

    private let quotas: [Label: Quota]
    private let limitsAccounts: Bool
    private let usages = Mutex<[Label: Usage]>([:])

    private let accountUsage = Mutex(AccountUsage())
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

    /// Counts a request against the operation's limit for the account, unless it is over the limit.
    func verdict(
        by limit: PerAccount, of operation: SandboxOperation, for account: String, invoice: String
    ) -> AccountVerdict {
        guard limitsAccounts else { return .withinLimits }
        let (now, timestamp) = (time.now, time.timestamp.secondsSinceEpoch)
        let day = timestamp / Self.secondsADay
        let dailyKey = "\(operation.rawValue) \(account)"
        let spacedKey =
            switch limit.spaced {
            case .byAccount: dailyKey
            case .byInvoice: "\(dailyKey) \(invoice)"
            }
        return accountUsage.withLock { usage in
            if usage.day != day {
                usage.day = day
                usage.today.removeAll()
            }
            let count = usage.today[dailyKey] ?? 0
            if count >= limit.perDay {
                return .overPerDay(
                    limit: limit.perDay, resets: Timestamp(secondsSinceEpoch: (day + 1) * Self.secondsADay))
            }
            if let resumes = usage.resumes[spacedKey], resumes > now {
                let wait = (resumes - now).components.seconds + 1
                return .tooSoon(resumes: Timestamp(secondsSinceEpoch: timestamp + wait))
            }
            if usage.resumes.count > 10_000 { usage.resumes = usage.resumes.filter { $0.value > now } }
            usage.today[dailyKey] = count + 1
            usage.resumes[spacedKey] = now + limit.spacing
            return .withinLimits
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
