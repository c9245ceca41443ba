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

    private let allowances: [Label: Allowance]
    private let usages = Mutex<[Label: Usage]>([:])
    private let time: any TimeSource

    private static let secondsADay: Int64 = 86_400

    init(plan: SandboxConfiguration.Limits, time: any TimeSource) {
        self.time = time
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
