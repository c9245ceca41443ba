/// What a request demands of a cached answer (RFC 9111, 5.2.1).
package struct CacheDemand: Sendable, Equatable {
    /// No cached answer will do.
    package var isNew = false

    /// The answer must not be cached.
    package var isUnstored = false

    /// The highest age.
    package var ageMax: Duration?

    /// How long the answer must stay fresh; with zero it must be fresh now. `nil`: it may be stale.
    package var freshMin: Duration?

    /// For how long the answer may have been stale, whatever the cache allows by itself; `nil` for what the cache allows.
    package var staleMax: Duration?

    /// The source is not to be asked.
    package var isKept = false

    package init() {}

    /// Whatever is usual.
    package static let none = CacheDemand()
}
