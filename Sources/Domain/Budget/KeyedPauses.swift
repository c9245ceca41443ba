/// Until when single accounts or operations are not to be asked for, where the source limits them besides its rate.
package struct KeyedPauses<Key: Hashable & Sendable>: Sendable {
    /// More would be more than a source can refuse within the time of a pause.
    private static var countMax: Int { 10_000 }

    private var ends: [Key: Moment] = [:]

    package init() {}

    package var count: Int { ends.count }

    package mutating func pause(_ key: Key, until end: Moment, at now: Moment) {
        if ends.count >= Self.countMax, ends[key] == nil {
            ends = ends.filter { $0.value > now }
            // Many at a time, so that this is seldom done. The source refuses again what is forgotten here.
            if ends.count >= Self.countMax * 9 / 10 {
                for key in Array(ends.keys.prefix(Self.countMax / 10)) { ends[key] = nil }
            }
        }
        ends[key] = end
    }

    /// How long the pause of a key still lasts; nil if there is none.
    package mutating func wait(for key: Key, at now: Moment) -> Duration? {
        guard let end = ends[key] else { return nil }
        guard end > now else {
            ends[key] = nil
            return nil
        }
        return end - now
    }
}
