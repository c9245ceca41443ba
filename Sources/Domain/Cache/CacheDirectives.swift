/// What a request demands of a cached answer (RFC 9111, 5.2.1).
package struct CacheDirectives: Sendable, Equatable {
    /// No cached answer will do.
    package var noCache = false

    /// The answer must not be cached.
    package var noStore = false

    /// The highest age.
    package var maxAge: Duration?

    /// How long the answer must stay fresh; with zero it must be fresh now. `nil`: it may be stale.
    package var minFresh: Duration?

    /// For how long the answer may have been stale, whatever the cache allows by itself; `nil` for what the cache allows.
    package var maxStale: Duration?

    /// The source is not to be asked.
    package var onlyIfCached = false

    package init() {}

    /// Whatever is usual.
    package static let none = CacheDirectives()
}
