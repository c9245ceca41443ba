package import Domain

/// A cached response that stores the answer unchanged.
package final class FakeResponse: CachedResponse {
    package let contact: BillingContact?
    package let lifetime: Duration

    /// The number of earlier answers for the same account.
    package let number: Int

    package let bytes: Int

    package init(_ answer: ReceivedAnswer, bytes: Int = 100) {
        self.bytes = bytes
        contact = if case .success(.contact(let contact)) = answer.outcome { contact } else { nil }
        lifetime = answer.lifetime
        number = (answer.previous as? FakeResponse).map { $0.number + 1 } ?? 0
    }
}

extension CacheEntry {
    /// The response of this entry, in a cache of fake responses.
    package var fake: FakeResponse {
        guard let response = response as? FakeResponse else { preconditionFailure("the cache makes other responses") }
        return response
    }
}
