/// A quota of requests per day. Days begin at 00:00 UTC (Zoom: rate limits).
package struct DailyQuota: Sendable, Equatable {
    private static let secondsADay: Int64 = 86_400

    /// `nil` for no limit.
    let limit: Int?

    /// The part of the limit that is reserved for requests for which a caller waits.
    private let reserve: Int
    private var day: Int64 = 0
    private var spent = 0

    /// When the quota resets after the source reported it as exhausted, whatever we counted.
    private var exhaustedUntil: Timestamp?

    package init(limit: Int?, reserve: Int = 0) {
        self.limit = limit
        self.reserve = reserve
    }

    /// The requests sent on this day, as far as this process knows.
    func spent(at timestamp: Timestamp) -> Int {
        timestamp.secondsSinceEpoch / Self.secondsADay == day ? spent : 0
    }

    package mutating func spend(at timestamp: Timestamp) {
        startDay(timestamp)
        spent += 1
    }

    /// Takes over what all replicas know together.
    ///
    /// - Parameters:
    ///   - number: The requests of the day.
    ///   - other: The day, in days since 1970.
    ///   - duration: How long the source refuses all requests; `nil` if it does not.
    mutating func learn(
        spent number: Int, onDay other: Int64, exhaustedFor duration: Duration?, at timestamp: Timestamp
    ) {
        startDay(timestamp)
        if other == day { spent = number }
        guard let duration else { return }
        exhausted(
            until: Timestamp(secondsSinceEpoch: timestamp.secondsSinceEpoch + duration.components.seconds + 1),
            at: timestamp)
    }

    /// Records that the source refuses all requests until `end`, at most until the end of the next day.
    package mutating func exhausted(until end: Timestamp, at timestamp: Timestamp) {
        let latest = Timestamp(secondsSinceEpoch: Self.end(of: timestamp).secondsSinceEpoch + Self.secondsADay)
        exhaustedUntil = min(max(end, timestamp), latest)
    }

    /// How long until the quota permits a request of this priority; `nil` if it permits one now.
    package mutating func wait(for priority: Purpose.Priority, at timestamp: Timestamp) -> Duration? {
        startDay(timestamp)
        if let end = exhaustedUntil {
            if timestamp < end { return .seconds(end.secondsSinceEpoch - timestamp.secondsSinceEpoch) }
            exhaustedUntil = nil
        }
        guard let limit else { return nil }
        let usable = priority.isCallerWaiting ? limit : limit - reserve
        guard spent >= usable else { return nil }
        return .seconds(Self.end(of: timestamp).secondsSinceEpoch - timestamp.secondsSinceEpoch)
    }

    private mutating func startDay(_ timestamp: Timestamp) {
        let today = timestamp.secondsSinceEpoch / Self.secondsADay
        guard today != day else { return }
        day = today
        spent = 0
    }

    /// The beginning of the next day.
    package static func end(of timestamp: Timestamp) -> Timestamp {
        Timestamp(secondsSinceEpoch: (timestamp.secondsSinceEpoch / secondsADay + 1) * secondsADay)
    }
}
