/// Pauses of single accounts or operations, which the source limits in addition to its overall rate.
package struct KeyedPauses<Key: Hashable & Sendable>: Sendable {
    /// More keys than a source can refuse within the duration of one pause.
    private static var countMax: Int { 10_000 }

    private var ends: [Key: Moment] = [:]

    package init() {}

    package var count: Int { ends.count }

    package mutating func pause(_ key: Key, until end: Moment, at now: Moment) {
        if ends.count >= Self.countMax, ends[key] == nil {
            ends = ends.filter { $0.value > now }
            // Remove many at a time, so that this is rare. The source refuses a removed key again.
            if ends.count >= Self.countMax * 9 / 10 {
                for key in Array(ends.keys.prefix(Self.countMax / 10)) { ends[key] = nil }
            }
        }
        ends[key] = end
    }

    /// The remaining pause of a key; `nil` if there is none.
    package mutating func wait(for key: Key, at now: Moment) -> Duration? {
        guard let end = ends[key] else { return nil }
        guard end > now else {
            ends[key] = nil
            return nil
        }
        return end - now
    }
}
