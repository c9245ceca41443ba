/// How many requests of a day are left. Days begin at 00:00 UTC (Zoom: rate limits).
package struct DailyQuota: Sendable, Equatable {
    private static let secondsADay: Int64 = 86_400

    /// `nil` for no limit.
    let limit: Int?

    /// Of the limit, what is kept for requests that somebody waits for.
    private let reserve: Int
    private var day: Int64 = 0
    private var spent = 0

    /// The source said so, whatever we counted.
    private var isExhaustedUntil: Timestamp?

    package init(limit: Int?, reserve: Int = 0) {
        self.limit = limit
        self.reserve = reserve
    }

    /// How many of the day's were spent, as far as is known.
    func spent(at timestamp: Timestamp) -> Int {
        timestamp.secondsSinceEpoch / Self.secondsADay == day ? spent : 0
    }

    package mutating func spend(at timestamp: Timestamp) {
        begin(timestamp)
        spent += 1
    }

    /// The source lets nothing through before that moment, at the latest the end of the next day.
    package mutating func exhausted(until end: Timestamp, at timestamp: Timestamp) {
        let latest = Timestamp(secondsSinceEpoch: Self.end(of: timestamp).secondsSinceEpoch + Self.secondsADay)
        isExhaustedUntil = min(max(end, timestamp), latest)
    }

    /// How long there is nothing left for this purpose; `nil` if there is something now.
    package mutating func wait(for priority: Purpose.Priority, at timestamp: Timestamp) -> Duration? {
        begin(timestamp)
        if let end = isExhaustedUntil {
            if timestamp < end { return .seconds(end.secondsSinceEpoch - timestamp.secondsSinceEpoch) }
            isExhaustedUntil = nil
        }
        guard let limit else { return nil }
        let usable = priority == .interactive ? limit : limit - reserve
        guard spent >= usable else { return nil }
        return .seconds(Self.end(of: timestamp).secondsSinceEpoch - timestamp.secondsSinceEpoch)
    }

    private mutating func begin(_ timestamp: Timestamp) {
        let today = timestamp.secondsSinceEpoch / Self.secondsADay
        guard today != day else { return }
        day = today
        spent = 0
    }

    /// The first moment of the next day.
    package static func end(of timestamp: Timestamp) -> Timestamp {
        Timestamp(secondsSinceEpoch: (timestamp.secondsSinceEpoch / secondsADay + 1) * secondsADay)
    }
}
