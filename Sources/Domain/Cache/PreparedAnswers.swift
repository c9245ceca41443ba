import Synchronization

/// The answers that callers looked up last, with the responses to send: a table with a fixed number of places.
///
/// It makes a lookup of an answer in demand as fast as a hash table, while the pages store the answers compactly. It has no
/// answer that the pages do not have, except for a short time after a sweep.
final class PreparedAnswers: Sendable {
    /// A class, so that a lookup does not copy the key.
    ///
    /// Safe because its variables are only accessed while the part is locked, and a place is in one part.
    final class Place: @unchecked Sendable {
        let key: BillingCache.Key
        let entry: CacheEntry

        /// Whether it was looked up before.
        var isInDemand: Bool

        /// The round of the sweep in which the answer was last marked as used in its page.
        var sweep: Int

        /// The age at which the answer is stale, or due for refresh-ahead.
        let refreshAge: Duration

        init(key: BillingCache.Key, entry: CacheEntry, isInDemand: Bool, sweep: Int, rules: CacheRules) {
            refreshAge = rules.refreshAge(lifetime: entry.lifetime)
            self.key = key
            self.entry = entry
            self.isInDemand = isInDemand
            self.sweep = sweep
        }

        /// A method, so that neither key is copied.
        func isOf(_ other: borrowing BillingCache.Key) -> Bool { key == other }
    }

    struct Part {
        /// By the hash of the key. A new answer takes the place of another one.
        fileprivate var places: [Place?] = []
        fileprivate(set) var bytes = 0
        var counts = BillingCache.Counts()

        /// Incremented when an answer is stored or removed.
        fileprivate(set) var version = 0

        fileprivate func index(of hash: Int) -> Int { hash >> PreparedAnswers.partBits & (places.count - 1) }

        /// The place of a key, if it is there.
        func place(of key: BillingCache.Key) -> Place? {
            guard !places.isEmpty, let place = places[index(of: key.hash)], place.isOf(key) else { return nil }
            return place
        }

        /// The place of a key with this hash. Other keys may have the same hash.
        func place(at hash: Int) -> Place? {
            guard !places.isEmpty, let place = places[index(of: hash)], place.key.hash == hash else { return nil }
            return place
        }

        fileprivate mutating func set(_ index: Int, _ place: Place?) -> CacheEntry? {
            let old = places[index]?.entry
            if let old { bytes -= PreparedAnswers.overhead + old.bytes }
            if let place { bytes += PreparedAnswers.overhead + place.entry.bytes }
            places[index] = place
            return old
        }
    }

    private final class LockedPart: Sendable {
        let part: Mutex<Part>

        init(places: Int) {
            part = Mutex(Part(places: Array(repeating: nil, count: places)))
        }
    }

    fileprivate static let partBits = 6
    private static let placesMax = 128

    /// The largest response that is prepared. Larger ones are made for each lookup: that is a small part of sending them.
    private static let responseBytesMax = 4096

    /// The memory of an entry object besides its response.
    private static let overhead = 128

    private let parts: [LockedPart]

    private let rules: CacheRules

    /// The memory that a full table may use.
    let bytesMax: Int

    /// A table of less than 300 KB has no places.
    init(rules: CacheRules) {
        self.rules = rules
        let wanted = min(
            (rules.preparedBytesMax / (Self.responseBytesMax + Self.overhead)) >> Self.partBits, Self.placesMax)
        let count = wanted == 0 ? 0 : 1 << (Int.bitWidth - 1 - wanted.leadingZeroBitCount)
        parts = (0..<1 << Self.partBits).map { _ in LockedPart(places: count) }
        self.bytesMax = (count << Self.partBits) * (Self.responseBytesMax + Self.overhead)
    }

    /// - Parameter body: Called with the part of a key, which is locked meanwhile.
    func withPart<Result>(of account: Int, _ body: (inout Part) -> Result) -> Result {
        parts[account & (parts.count - 1)].part.withLock { body(&$0) }
    }

    /// Adds an answer that was read from its page.
    ///
    /// - Parameter version: The version of the part before the page was read. If an answer was stored or removed since, this
    ///   one may be outdated, and is not added.
    func add(_ entry: CacheEntry, _ key: BillingCache.Key, isInDemand: Bool, sweep: Int, version: Int) {
        guard entry.bytes <= Self.responseBytesMax else { return }
        let released = withPart(of: key.accountHash) { part -> CacheEntry? in
            guard part.version == version, !part.places.isEmpty else { return nil }
            let place = Place(key: key, entry: entry, isInDemand: isInDemand, sweep: sweep, rules: rules)
            return part.set(part.index(of: key.hash), place)
        }
        // Freed without the lock.
        _ = consume released
    }

    /// Records that an answer was stored in its page.
    ///
    /// - Parameters:
    ///   - isLookup: Whether a caller looks it up. An answer that was stored by a job is added only if an older one is there.
    ///   - version: The version of the part before the answer was stored. If it has changed since, this answer may be
    ///     outdated, and is not added.
    func stored(_ entry: CacheEntry, _ key: BillingCache.Key, isLookup: Bool, sweep: Int, version: Int) {
        let released = withPart(of: key.accountHash) { part -> CacheEntry? in
            let isCurrent = part.version == version
            part.version += 1
            guard !part.places.isEmpty else { return nil }
            let index = part.index(of: key.hash)
            let isThere = part.place(of: key) != nil
            guard isThere || isLookup else { return nil }
            if let place = part.places[index], isThere, place.entry.receivedAt > entry.receivedAt { return nil }
            guard isCurrent, entry.bytes <= Self.responseBytesMax else { return isThere ? part.set(index, nil) : nil }
            return part.set(index, Place(key: key, entry: entry, isInDemand: false, sweep: sweep, rules: rules))
        }
        // Freed without the lock.
        _ = consume released
    }

    /// Removes the answers to operations for an account, under every master account.
    func remove(_ operations: [Operation], of account: AccountID) {
        let released = withPart(of: account.bytesHash) { part -> [CacheEntry] in
            part.version += 1
            var released: [CacheEntry] = []
            for index in part.places.indices {
                guard let read = part.places[index]?.key.read, read.account == account,
                    operations.contains(read.operation)
                else { continue }
                if let entry = part.set(index, nil) { released.append(entry) }
            }
            return released
        }
        // Freed without the lock.
        _ = consume released
    }

    func removeAll() {
        for part in parts {
            let released = part.part.withLock { part -> [CacheEntry] in
                part.version += 1
                let released = part.places.compactMap { $0?.entry }
                part.places = Array(repeating: nil, count: part.places.count)
                part.bytes = 0
                return released
            }
            // Freed without the lock.
            _ = consume released
        }
    }

    var bytes: Int { parts.reduce(0) { $0 + $1.part.withLock { $0.bytes } } }

    var counts: BillingCache.Counts {
        parts.reduce(into: BillingCache.Counts()) { sum, part in
            let counts = part.part.withLock { $0.counts }
            sum.fresh += counts.fresh
            sum.stale += counts.stale
            sum.missed += counts.missed
            sum.revalidations += counts.revalidations
            sum.staleIfError += counts.staleIfError
        }
    }
}
