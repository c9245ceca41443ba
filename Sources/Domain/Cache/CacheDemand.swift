/// What whoever asks wants of an answer that is kept.
package struct CacheDemand: Sendable, Equatable {
    /// Nothing that is kept will do.
    package var isNew = false

    /// It must not be older.
    package var ageMax: Duration?

    /// It may be as much older than fresh; nothing of the kind was said if it is `nil`.
    package var staleMax: Duration?

    /// The source is not to be asked.
    package var isKept = false

    package init() {}

    /// Whatever is usual.
    package static let none = CacheDemand()
}
