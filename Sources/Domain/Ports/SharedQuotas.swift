/// The requests that replicas have sent within the quotas of operations (`AccountQuota`).
///
/// This is an optimization: while the store does not answer, each replica knows only its own requests, and the source refuses the
/// others.
package protocol SharedQuotas: Sendable {
    /// Reserves a request of an operation with a quota.
    ///
    /// - Parameter master: The id of the master account.
    /// - Returns: `nil` if the store does not answer in time.
    func reserve(_ subject: AccountQuotas.Subject, under master: AccountID) async -> SharedQuotaDecision?

    /// Records that the request has ended, and that the source may have counted it at any time until now.
    func sent(_ reservation: SharedQuotaReservation) async

    /// Records that the source did not count the request.
    func giveBack(_ reservation: SharedQuotaReservation) async
}

package enum SharedQuotaDecision: Sendable, Equatable {
    case granted(SharedQuotaReservation)
    /// The quota permits the next request after `wait`.
    case refused(wait: Duration)
}

/// The right of a replica to send one request. It ends with `sent` or `giveBack`, or by itself after some minutes.
package struct SharedQuotaReservation: Sendable, Hashable {
    package let subject: AccountQuotas.Subject
    package let master: AccountID

    /// Identifies the reservation.
    package let owner: String

    /// The day that the request counts for, in days since 1970 by the time of the store.
    package let day: Int64

    package init(_ subject: AccountQuotas.Subject, master: AccountID, owner: String, day: Int64) {
        self.subject = subject
        self.master = master
        self.owner = owner
        self.day = day
    }
}
