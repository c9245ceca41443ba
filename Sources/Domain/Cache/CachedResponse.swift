/// A response that an adapter makes once from an answer of the source, and sends at each cache hit.
package protocol CachedResponse: AnyObject, Sendable {
    /// The memory it uses.
    var bytes: Int { get }
}

/// A received answer of the source, with its time and lifetime. An adapter makes a cached response from it.
package struct ReceivedAnswer: Sendable {
    /// The answer, or the failure to be cached.
    package let outcome: Result<SourceAnswer, BillingFailure>

    /// When the source gave the answer.
    package let asOf: Timestamp

    /// How long the answer is fresh.
    package let lifetime: Duration

    /// The cached response to the same read that this one replaces.
    package let previous: (any CachedResponse)?
}

/// A cached answer with its age.
///
/// Only the adapter knows the type of the response. If the cache were generic over it, each lookup would take more than
/// twice as long, since generics are not specialized across modules.
package final class CacheEntry: Sendable {
    package let response: any CachedResponse
    package let asOf: Timestamp

    /// The cached failure, such as self pay or not found; `nil` for any other answer.
    package let failure: BillingFailure?

    /// The list of the answer, from which lists of shorter periods derive; `nil` for any other answer.
    let invoices: InvoiceList?

    let receivedAt: Moment
    let lifetime: Duration

    /// The memory of the response and of `invoices`.
    let bytes: Int

    init(_ response: any CachedResponse, _ answer: ReceivedAnswer, receivedAt: Moment) {
        self.response = response
        asOf = answer.asOf
        lifetime = answer.lifetime
        self.receivedAt = receivedAt
        switch answer.outcome {
        case .success(.invoices(let list)): (failure, invoices) = (nil, list)
        case .success(.contact), .success(.document): (failure, invoices) = (nil, nil)
        case .failure(let failure): (self.failure, invoices) = (failure, nil)
        }
        bytes = response.bytes + (invoices?.bytes ?? 0)
    }

    /// Whether the answer is still fresh.
    package func isFresh(at now: Moment) -> Bool { age(at: now) < lifetime }

    /// The time since the source gave the answer.
    package func age(at now: Moment) -> Duration { max(now - receivedAt, .zero) }
}
