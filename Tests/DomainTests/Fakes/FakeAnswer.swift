package import Domain

/// A cached response that stores the answer unchanged.
package final class FakeAnswer: CachedResponse {
    package let contact: BillingContact?
    package let lifetime: Duration

    /// The number of earlier answers for the same account.
    package let place: Int

    package var bytes: Int { 100 }

    package init(_ answer: SourceAnswer) {
        contact = try? answer.outcome.get()
        lifetime = answer.lifetime
        place = (answer.last as? FakeAnswer).map { $0.place + 1 } ?? 0
    }
}

extension CacheEntry {
    /// The response of this entry, in a cache of fake responses.
    package var fake: FakeAnswer {
        guard let answer = answer as? FakeAnswer else { preconditionFailure("the cache makes other responses") }
        return answer
    }
}
