/// The cache directives of a request (RFC 9111, 5.2.1).
package struct CacheDirectives: Sendable, Equatable {
    /// A new answer from the source is necessary.
    package var noCache = false

    /// The answer must not be cached.
    package var noStore = false

    /// The maximum age of the answer.
    package var maxAge: Duration?

    /// How long the answer must remain fresh. With zero it must be fresh now; with `nil` it may be stale.
    package var minFresh: Duration?

    /// How long the answer may have been stale, whatever the rules of the cache; `nil` for the rules of the cache.
    package var maxStale: Duration?

    /// Only a cached answer is acceptable: no request to the source.
    package var onlyIfCached = false

    package init() {}

    /// No directives.
    package static let none = CacheDirectives()
}
