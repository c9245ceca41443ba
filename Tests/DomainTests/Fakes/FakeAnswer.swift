package import Domain

/// An answer that is kept as it was given.
package final class FakeAnswer: CachedResponse {
    package let contact: BillingContact?
    package let lifetime: Duration

    /// How many answers of the same account it has followed.
    package let place: Int

    package var bytes: Int { 100 }

    package init(_ answer: SourceAnswer) {
        contact = try? answer.outcome.get()
        lifetime = answer.lifetime
        place = (answer.last as? FakeAnswer).map { $0.place + 1 } ?? 0
    }
}

extension CacheEntry {
    /// Its answer, in a cache of such.
    package var fake: FakeAnswer {
        guard let answer = answer as? FakeAnswer else { preconditionFailure("the cache keeps something else") }
        return answer
    }
}
