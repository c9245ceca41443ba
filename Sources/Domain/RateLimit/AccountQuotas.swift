/// Decides whether requests stay within the quotas of their operations (`AccountQuota`), as far as this process knows.
///
/// A request that is refused here costs the source nothing. An entry takes some 250 bytes, for an account and an invoice with
/// ids of 32 characters. Entries that limit nothing any more are removed.
package struct AccountQuotas: Sendable {
    /// What the requests of an operation with a quota are about. Without an account, only the interval of the invoice is
    /// known.
    package struct Subject: Hashable, Sendable {
        package let operation: Operation
        package let account: AccountID?
        package let invoice: InvoiceID?

        package init(_ operation: Operation, account: AccountID?, invoice: InvoiceID? = nil) {
            self.operation = operation
            self.account = account
            self.invoice = invoice
        }
    }

    /// The right to send one request. It ends with `sent` or `giveBack`.
    package struct Reservation: Sendable {
        let interval: Subject
        let day: Subject?
        let reservedOn: Int64
    }

    package enum Decision: Sendable {
        case granted(Reservation)
        /// The quota permits the next request after `wait`; while another one is open, an estimate.
        case refused(wait: Duration)
    }

    /// The last request of a subject.
    private enum Interval {
        /// It is reserved, and may be sent at any time.
        case open
        /// The interval after it ends then.
        case ends(Moment)

        func isExpired(at now: Moment) -> Bool {
            switch self {
            case .open: false
            case .ends(let end): end <= now
            }
        }
    }

    /// The requests of one day.
    private struct DayCount {
        var day: Int64
        var requests: Int
    }

    /// More entries of each kind than the rate of an operation with a quota fills: 40 requests a second in 30 minutes.
    package static let entriesMax = 100_000
    private static let secondsADay: Int64 = 86_400

    private var intervals: [Subject: Interval] = [:]
    private var days: [Subject: DayCount] = [:]

    /// The number of entries at which expired ones are removed next.
    private var sweepAt = 1024

    /// The most entries of each kind; some 5 % more between two sweeps.
    private let entriesMax: Int

    package init(entriesMax: Int = AccountQuotas.entriesMax) {
        self.entriesMax = entriesMax
    }

    package var entries: Int { intervals.count + days.count }

    // MARK: Requests

    /// Reserves a request; `nil` for an operation without a quota.
    package mutating func reserve(
        _ subject: Subject, at now: Moment, _ timestamp: Timestamp
    ) -> Decision? {
        guard let quota = subject.operation.rules.quota else { return nil }
        sweep(at: now, timestamp)
        let today = Self.day(of: timestamp)
        let ofAccount = subject.account.map { Subject(subject.operation, account: $0) }
        let ofInterval = quota.intervalIsPer == .account ? ofAccount ?? subject : subject
        var wait = Duration.zero
        switch intervals[ofInterval] {
        case .open?: wait = quota.interval
        case .ends(let end)? where end > now: wait = end - now
        case .ends?, nil: break
        }
        if let ofAccount, let count = days[ofAccount], count.day == today, count.requests >= quota.perDay {
            let left = (today + 1) * Self.secondsADay - timestamp.secondsSinceEpoch
            wait = max(wait, .seconds(left))
        }
        guard wait == .zero else { return .refused(wait: wait) }
        intervals[ofInterval] = .open
        if let ofAccount { count(1, ofAccount, on: today) }
        return .granted(Reservation(interval: ofInterval, day: ofAccount, reservedOn: today))
    }

    /// Records that the request has ended, and that the source may have counted it at any time until now.
    package mutating func sent(_ reservation: Reservation, at now: Moment, _ timestamp: Timestamp) {
        let interval = reservation.interval.operation.rules.quota?.interval ?? .zero
        intervals[reservation.interval] = .ends(now + interval)
        let today = Self.day(of: timestamp)
        if let account = reservation.day, today != reservation.reservedOn { count(1, account, on: today) }
    }

    /// Records that another replica has used the quota, so that the request is not sent.
    ///
    /// - Parameter wait: When the quota permits the next request.
    package mutating func refused(_ reservation: Reservation, wait: Duration, at now: Moment) {
        giveBack(reservation)
        intervals[reservation.interval] = .ends(now + wait)
    }

    /// Records that the source did not count the request: it was not sent, or it was refused.
    package mutating func giveBack(_ reservation: Reservation) {
        intervals[reservation.interval] = nil
        if let account = reservation.day { count(-1, account, on: reservation.reservedOn) }
    }

    /// Adds to the requests of a day. A later day replaces an earlier one.
    private mutating func count(_ number: Int, _ account: Subject, on day: Int64) {
        var entry = days[account] ?? DayCount(day: day, requests: 0)
        if entry.day < day { entry = DayCount(day: day, requests: 0) }
        guard entry.day == day else { return }
        entry.requests += number
        days[account] = entry.requests > 0 ? entry : nil
    }

    private static func day(of timestamp: Timestamp) -> Int64 { timestamp.secondsSinceEpoch / secondsADay }

    // MARK: Memory

    /// Removes expired entries when their number has doubled, so that a request costs constant time on average.
    private mutating func sweep(at now: Moment, _ timestamp: Timestamp) {
        guard entries >= sweepAt else { return }
        let today = Self.day(of: timestamp)
        intervals = intervals.filter { !$0.value.isExpired(at: now) }
        days = days.filter { $0.value.day >= today }
        // The source itself refuses a request whose entry was removed too early.
        var surplus = max(intervals.count - entriesMax, 0)
        if surplus > 0 {
            intervals = intervals.filter { _, interval in
                guard surplus > 0, case .ends = interval else { return true }
                surplus -= 1
                return false
            }
        }
        for key in Array(days.keys.prefix(max(days.count - entriesMax, 0))) { days[key] = nil }
        sweepAt = max(1024, min(entries * 2, 2 * entriesMax + entriesMax / 10))
    }
}
