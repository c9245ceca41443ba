/// A response that an adapter makes from a cached answer for single lookups.
package protocol CachedResponse: AnyObject, Sendable {
    /// The memory it uses.
    var bytes: Int { get }
}

/// A cached answer with its age.
///
/// Only the adapter knows the type of the response. If the cache were generic over it, each lookup would take more than
/// twice as long, since generics are not specialized across modules.
package final class CacheEntry: Sendable {
    package let response: any CachedResponse

    /// The cached failure, such as self pay or not found; `nil` for any other answer.
    package let failure: BillingFailure?

    /// When this content was first received, in milliseconds since 1970.
    package let firstSeen: Int64

    let receivedAt: Moment
    let lifetime: Duration

    /// The memory of the response.
    var bytes: Int { response.bytes }

    init(_ response: any CachedResponse, _ answer: StoredAnswer) {
        self.response = response
        failure = answer.failure
        firstSeen = answer.firstSeen
        receivedAt = answer.receivedAt
        lifetime = answer.lifetime
    }

    /// Whether the answer is still fresh.
    package func isFresh(at now: Moment) -> Bool { age(at: now) < lifetime }

    /// The time since the source gave the answer.
    package func age(at now: Moment) -> Duration { max(now - receivedAt, .zero) }
}
