/// The source's limit of one operation for one account, besides the rate of all requests (Zoom: rate limits of the invoice
/// operations).
package struct AccountQuota: Sendable, Equatable {
    /// What the interval is counted for. The daily number is always counted for the account.
    package enum Subject: Sendable, Equatable {
        case account
        /// Each invoice has its own interval. With an interval of 30 minutes for the whole account, the documented 100 requests
        /// a day could never be made.
        case invoice
    }

    /// The time between two requests.
    package let interval: Duration

    /// The number of requests in a day, which ends at 00:00 UTC.
    package let perDay: Int

    package let intervalIsPer: Subject

    /// The interval at which the requests of a whole day stay within the quota.
    package var evenInterval: Duration { max(interval, .seconds(86_400) / perDay) }

    init(interval: Duration, perDay: Int, intervalIsPer: Subject) {
        self.interval = interval
        self.perDay = perDay
        self.intervalIsPer = intervalIsPer
    }
}
