import Synchronization

/// Instruments by a key that stands for their labels. Each is looked up in the registry once, since a lookup writes and hashes
/// the text of all labels.
///
/// There must be few keys: nothing removes an instrument.
final class KnownInstruments<Key: Hashable & Sendable, Instrument: Sendable>: Sendable {
    private let known = Mutex<[Key: Instrument]>([:])

    /// The instrument of a key. `lookUp` returns it when the key is used for the first time.
    func instrument(_ key: Key, _ lookUp: () -> Instrument) -> Instrument {
        if let instrument = known.withLock({ $0[key] }) { return instrument }
        // Outside the lock, since the registry has its own. Two lookups return the same instrument.
        let instrument = lookUp()
        known.withLock { $0[key] = instrument }
        return instrument
    }
}
