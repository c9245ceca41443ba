package import Domain

/// An answer that is kept as it was given.
package final class FakeAnswer: KeptAnswer {
    package let outcome: Result<BillingContact, BillingFailure>
    package let asOf: Timestamp
    package let lifetime: Duration

    /// How many answers of the same account it has followed.
    package let place: Int

    package var bytes: Int { 100 }

    package init(
        _ outcome: Result<BillingContact, BillingFailure>, asOf: Timestamp, lifetime: Duration, after last: FakeAnswer?
    ) {
        self.outcome = outcome
        self.asOf = asOf
        self.lifetime = lifetime
        place = last.map { $0.place + 1 } ?? 0
    }

    package var contact: BillingContact? { try? outcome.get() }
}
