import Synchronization

/// Caches the source's answers to reads of accounts, and coalesces concurrent requests for one of them.
///
/// `Freshness` decides how an answer is used, and `EvictionOrder` which one is evicted. The cache has several parts,
/// each with a lock that is held for one dictionary lookup. So event loops rarely wait for one another.
package final class BillingCache: Sendable {
    package typealias Entry = CacheEntry

    /// Makes the cached response from an answer of the source.
    package typealias MakeResponse = @Sendable (ReceivedAnswer) -> any CachedResponse

    struct Key: Hashable, Sendable {
        let read: AccountRead
        let master: Name?
        let hash: Int

        init(_ read: AccountRead, _ master: Name?) {
            self.read = read
            self.master = master
            var hasher = Hasher()
            hasher.combine(read.account)
            if let parameter = read.parameter { hasher.combine(parameter) }
            if let master { hasher.combine(master) }
            // Not hashed, since dictionaries hash this once more.
            hash = hasher.finalize() &+ Int(read.operation.rawValue)
        }

        func hash(into hasher: inout Hasher) { hasher.combine(hash) }

        static func == (left: Key, right: Key) -> Bool {
            left.hash == right.hash && left.read == right.read && left.master == right.master
        }
    }

    /// Identifies a request in flight. A read that begins after a change does not join one that began before it.
    private struct InFlightKey: Hashable, Sendable {
        let key: Key
        let version: AccountChanges.Version
    }

    /// When a read began: its answer is not cached if answers were removed since.
    private struct Version {
        /// `generation` at that time.
        let generation: Int
        let changes: AccountChanges.Version
    }

    /// The place of an answer in the cache. Guarded by the lock of its part.
    private final class Slot: EvictionMember {
        let key: Key
        var entry: Entry
        var hits: UInt8 = 0
        var queue = EvictionQueue.none

        var revalidation = RevalidationState.none

        init(_ key: Key, _ entry: Entry) {
            self.key = key
            self.entry = entry
        }

        var identity: Int { key.hash }
        var bytes: Int { Self.overhead + entry.bytes + key.read.account.rawValue.utf8.count }

        /// The memory of a slot, its entry, and its places in the dictionary and a queue, measured with a million of
        /// them.
        private static var overhead: Int { 480 }
    }

    private enum RevalidationState {
        case none
        /// The `Revalidation` with this number is in flight.
        case running(Int)
        /// The last one failed. None is started before then.
        case paused(until: Moment)
    }

    /// The right to revalidate one cached answer in the background. It ends when the last reference is released: the
    /// answer can be revalidated again, and another answer as well.
    private final class Revalidation: Sendable {
        let number: Int
        private let key: Key
        private let cache: BillingCache

        init(_ key: Key, _ number: Int, _ cache: BillingCache) {
            self.key = key
            self.number = number
            self.cache = cache
        }

        func failed(at now: Moment) {
            set(.paused(until: now + cache.rules.refreshPause))
        }

        deinit {
            set(.none)
            cache.revalidations.subtract(1, ordering: .relaxed)
        }

        /// Does nothing if another revalidation has taken its place.
        private func set(_ state: RevalidationState) {
            cache.part(of: key).part.withLock { part in
                guard let slot = part.slots[key], case .running(number) = slot.revalidation else { return }
                slot.revalidation = state
            }
        }
    }

    private struct Part {
        var slots: [Key: Slot] = [:]
        var order = EvictionOrder<Slot>()
        var counts = Counts()
    }

    private final class LockedPart: Sendable {
        let part = Mutex(Part())
    }

    /// How many lookups had each result.
    package struct Counts: Sendable, Equatable {
        package var fresh = 0
        package var stale = 0
        package var missed = 0
        package var evicted = 0

        /// Background revalidations that were started.
        package var revalidations = 0

        /// Failures of the source for which a stale answer was served instead (stale-if-error).
        package var staleIfError = 0
    }

    private let source: any BillingSource
    private let time: any TimeSource
    private let rules: CacheRules
    private let makeResponse: MakeResponse
    private let parts: [LockedPart]
    private let coalescer = RequestCoalescer<InFlightKey, Entry>()
    private let periods = Mutex(InvoicePeriodIndex())
    private let changes = AccountChanges()

    /// The master accounts of all answers so far. A change of an account concerns the answers under each of them: callers
    /// name the only master account or leave it out.
    private let masters = Mutex<Set<Name?>>([])

    /// The number of revalidations in flight, and the number of the last one.
    private let revalidations = Atomic<Int>(0)
    private let lastRevalidation = Atomic<Int>(0)

    /// Incremented by `removeAll`. Answers to requests in flight at that time are not cached.
    private let generation = Atomic<Int>(0)

    /// - Parameter parts: The number of parts, a power of two. Each has an equal share of the bytes, so a small cache
    ///   needs few.
    package init(
        source: any BillingSource, time: any TimeSource, rules: CacheRules, parts: Int = 64,
        makeResponse: @escaping MakeResponse
    ) {
        precondition(parts > 0 && parts & (parts - 1) == 0, "the number of parts must be a power of two")
        self.source = source
        self.time = time
        self.rules = rules
        self.makeResponse = makeResponse
        self.parts = (0..<parts).map { _ in LockedPart() }
    }

    private func part(of key: Key) -> LockedPart { parts[key.hash & (parts.count - 1)] }

    private var bytesMaxOfPart: Int { rules.bytesMax / parts.count }

    // MARK: Lookups

    /// The cached answer, if the directives permit it. Does not wait.
    package func cached(_ read: AccountRead, under master: Name?, directives: CacheDirectives, at now: Moment)
        -> Entry?
    {
        let key = Key(read, master)
        let (found, revalidation) = lookUp(key, directives, now)
        if let revalidation { start(revalidation, key) }
        guard case .cached(let entry) = found else { return narrowed(key, directives, now) }
        return entry
    }

    /// The cached answer, or the source's.
    ///
    /// - Throws: The errors of `BillingSource`, except the failures that are cached; `notCached`.
    package func entry(
        for read: AccountRead, under master: Name?, for purpose: Purpose, directives: CacheDirectives
    ) async throws(BillingFailure) -> Entry {
        let key = Key(read, master)
        let (found, revalidation) = lookUp(key, directives, time.now)
        if let revalidation { start(revalidation, key) }
        let staleEntry: Entry?
        switch found {
        case .cached(let entry): return entry
        case .absent(let entry):
            if let narrowed = narrowed(key, directives, time.now) { return narrowed }
            staleEntry = entry
            // Counted here and not in the lookup: after a miss in `cached`, the caller calls this method.
            part(of: key).part.withLock { $0.counts.missed += 1 }
        }
        if directives.onlyIfCached { throw .notCached }
        do throws(BillingFailure) {
            let inFlight = InFlightKey(key: key, version: changes.version(of: read.account))
            // With no-cache, or while the account is being changed, an answer requested earlier is too old. Nor can a request
            // wait with another's queue timeout. The source would refuse a second call for a scarce answer.
            let isScarce = !Self.canRevalidate(read)
            let canJoin =
                !directives.noCache
                && (isScarce
                    || !inFlight.version.isChanging
                        && coalescer.purpose(of: inFlight).map { Self.canShare($0, purpose) } ?? true)
            guard canJoin else { return try await fetch(key, for: purpose, stores: !directives.noStore).get() }
            return try await coalescer.join(inFlight, purpose, isScarce: isScarce) { [self] purpose in
                // A request that was in flight a moment ago may have been completed since the lookup.
                if case .cached(let entry) = lookUp(key, directives, time.now, isRepeated: true).0 {
                    return .success(entry)
                }
                if let narrowed = narrowed(key, directives, time.now) { return .success(narrowed) }
                return await fetch(key, for: purpose)
            }
        } catch {
            guard let staleEntry, error.traits.allowsStaleAnswer else { throw error }
            part(of: key).part.withLock { $0.counts.staleIfError += 1 }
            return staleEntry
        }
    }

    private enum Found {
        case cached(Entry)
        /// With the answer that is served if the source fails, if there is one.
        case absent(Entry?)
    }

    /// - Parameter isRepeated: Repeats a lookup that was counted a moment ago.
    private func lookUp(
        _ key: Key, _ directives: CacheDirectives, _ now: Moment, isRepeated: Bool = false
    ) -> (Found, Revalidation?) {
        part(of: key).part.withLock { part in
            let counts = part.counts
            defer { if isRepeated { part.counts = counts } }
            guard let slot = part.slots[key] else {
                return (.absent(nil), nil)
            }
            let entry = slot.entry
            let wasInDemand = slot.hits > 0
            if slot.hits < 3 { slot.hits += 1 }
            switch Freshness(age: entry.age(at: now), lifetime: entry.lifetime, rules: rules, directives: directives) {
            case .fresh:
                part.counts.fresh += 1
                return (.cached(entry), nil)
            case .refreshAhead:
                part.counts.fresh += 1
                return (.cached(entry), wasInDemand && !isRepeated ? revalidation(of: slot, now) : nil)
            case .stale where directives.maxStale == nil && !Self.canRevalidate(key.read):
                return (.absent(entry), nil)
            case .stale:
                part.counts.stale += 1
                return (.cached(entry), isRepeated ? nil : revalidation(of: slot, now))
            case .staleIfError:
                return (.absent(entry), nil)
            case .expired:
                return (.absent(nil), nil)
            }
        }
    }

    private static func canShare(_ inFlight: Purpose, _ purpose: Purpose) -> Bool {
        RequestCoalescer<InFlightKey, Entry>.canShare(inFlight, purpose)
    }

    /// The source permits few requests for an operation with a quota. None of them is made unless a caller waits for it.
    private static func canRevalidate(_ read: AccountRead) -> Bool { read.operation.rules.quota == nil }

    /// Nil while a revalidation is in flight, after a failed one, and at the maximum number of them.
    private func revalidation(of slot: Slot, _ now: Moment) -> Revalidation? {
        guard Self.canRevalidate(slot.key.read) else { return nil }
        switch slot.revalidation {
        case .none: break
        case .running: return nil
        case .paused(let end): guard now >= end else { return nil }
        }
        let inFlight = revalidations.add(1, ordering: .relaxed).newValue
        guard inFlight <= rules.revalidationsMax else {
            revalidations.subtract(1, ordering: .relaxed)
            return nil
        }
        let number = lastRevalidation.add(1, ordering: .relaxed).newValue
        slot.revalidation = .running(number)
        return Revalidation(slot.key, number, self)
    }

    /// Revalidates a cached answer at background priority.
    private func start(_ revalidation: Revalidation, _ key: Key) {
        let purpose = Purpose.background(queueTimeout: rules.revalidationQueueTimeout)
        let inFlight = InFlightKey(key: key, version: changes.version(of: key.read.account))
        let isStarted = coalescer.startBackground(inFlight, purpose) { [self] purpose in
            let outcome = await fetch(key, for: purpose)
            // Cancelled: a request of higher priority has replaced it, or the cache is being closed.
            if case .failure(let failure) = outcome, failure != .cancelled { revalidation.failed(at: time.now) }
            return outcome
        }
        if isStarted { part(of: key).part.withLock { $0.counts.revalidations += 1 } }
    }

    /// - Parameter stores: Whether the answer is cached.
    private func fetch(
        _ key: Key, for purpose: Purpose, stores: Bool = true
    ) async -> Result<Entry, BillingFailure> {
        let version = version(of: key)
        let outcome: Result<SourceAnswer, BillingFailure>
        do throws(BillingFailure) {
            outcome = .success(try await source.answer(to: key.read, under: key.master, for: purpose))
        } catch {
            guard error.traits.isCacheable else { return .failure(error) }
            outcome = .failure(error)
        }
        return .success(store(outcome, key, version, stores: stores))
    }

    private func version(of key: Key) -> Version {
        Version(generation: generation.load(ordering: .acquiring), changes: changes.version(of: key.read.account))
    }

    // MARK: Lists of invoices

    /// The list of a period, taken from a cached list of a longer one that the directives permit. It has the age and the
    /// lifetime of that list.
    private func narrowed(_ key: Key, _ directives: CacheDirectives, _ now: Moment) -> Entry? {
        guard case .period(let period)? = key.read.parameter, !directives.noCache else { return nil }
        let version = version(of: key)
        let account = InvoicePeriodIndex.Account(account: key.read.account, master: key.master)
        for longer in periods.withLock({ $0.periods(around: period, of: account) }) {
            let longerKey = Key(.invoices(of: key.read.account, in: longer), key.master)
            let whole = part(of: longerKey).part.withLock { part -> Entry? in
                guard let slot = part.slots[longerKey] else { return nil }
                if slot.hits < 3 { slot.hits += 1 }
                return slot.entry
            }
            guard let whole else {
                periods.withLock { $0.remove(longer, of: account) }
                continue
            }
            let age = whole.age(at: now)
            switch Freshness(age: age, lifetime: whole.lifetime, rules: rules, directives: directives) {
            case .fresh, .refreshAhead: break
            case .stale where directives.maxStale != nil: break
            case .stale, .staleIfError, .expired: continue
            }
            guard let list = whole.invoices?.narrowed(to: period, from: longer) else { continue }
            let previous = part(of: key).part.withLock { $0.slots[key]?.entry.response }
            let answer = ReceivedAnswer(
                outcome: .success(.invoices(list)), asOf: whole.asOf, lifetime: whole.lifetime, previous: previous)
            let entry = Entry(makeResponse(answer), answer, receivedAt: whole.receivedAt)
            insert(entry, key, version)
            part(of: key).part.withLock { part in
                if age < whole.lifetime { part.counts.fresh += 1 } else { part.counts.stale += 1 }
            }
            return entry
        }
        return nil
    }

    /// Records that an answer to a read of a period is cached, or no longer.
    ///
    /// - Parameter isWhole: The answer is a list from the source, from which lists of shorter periods derive.
    private func index(_ key: Key, isCached: Bool, isWhole: Bool = false) {
        guard case .period(let period)? = key.read.parameter else { return }
        let account = InvoicePeriodIndex.Account(account: key.read.account, master: key.master)
        periods.withLock { periods in
            if isCached {
                periods.add(period, of: account, isWhole: isWhole)
            } else {
                periods.remove(period, of: account)
            }
        }
    }

    // MARK: Storing

    private func store(
        _ outcome: Result<SourceAnswer, BillingFailure>, _ key: Key, _ version: Version, stores: Bool
    ) -> Entry {
        var isFailure = false
        if case .failure = outcome { isFailure = true }
        let lifetime = rules.lifetime(
            ofFailure: isFailure, quota: key.read.operation.rules.quota, chance: .random(in: 0...1))
        let previous = part(of: key).part.withLock { $0.slots[key]?.entry.response }
        let answer = ReceivedAnswer(outcome: outcome, asOf: time.timestamp, lifetime: lifetime, previous: previous)
        let entry = Entry(makeResponse(answer), answer, receivedAt: time.now)
        guard stores, lifetime > .zero else { return entry }
        insert(entry, key, version, isWhole: entry.invoices != nil)
        return entry
    }

    /// Adds an answer to the cache, unless answers were removed since `version`, or a newer one is there.
    private func insert(_ entry: Entry, _ key: Key, _ version: Version, isWhole: Bool = false) {
        masters.withLock { masters in
            if !masters.contains(key.master) { masters.insert(key.master) }
        }
        index(key, isCached: true, isWhole: isWhole)
        let (released, evicted) = part(of: key).part.withLock { part -> ([Entry], [Key]) in
            guard version.generation == generation.load(ordering: .acquiring),
                changes.permitsCaching(key.read.account, since: version.changes)
            else { return ([], part.slots[key] == nil ? [key] : []) }
            var released: [Entry] = []
            var evicted: [Key] = []
            if let slot = part.slots[key] {
                guard slot.entry.receivedAt <= entry.receivedAt else { return ([], []) }
                let bytes = slot.bytes
                released.append(slot.entry)
                slot.entry = entry
                slot.revalidation = .none
                part.order.resized(slot, from: bytes)
            } else {
                let slot = Slot(key, entry)
                part.slots[key] = slot
                part.order.add(slot)
            }
            while part.order.bytes > bytesMaxOfPart, let slot = part.order.evict(bytesMax: bytesMaxOfPart) {
                part.slots[slot.key] = nil
                part.counts.evicted += 1
                released.append(slot.entry)
                if slot.key.read.parameter != nil { evicted.append(slot.key) }
            }
            return (released, evicted)
        }
        for key in evicted { index(key, isCached: false) }
        // Freed without the lock.
        _ = consume released
    }

    /// Removes all answers. Those of requests in flight are not cached either.
    package func removeAll() {
        generation.add(1, ordering: .acquiringAndReleasing)
        for part in parts {
            let released = part.part.withLock { part in
                let released = part.slots.values.map(\.entry)
                part = Part(counts: part.counts)
                return released
            }
            // Freed without the lock.
            _ = consume released
        }
        periods.withLock { $0 = InvoicePeriodIndex() }
    }

    // MARK: Changes

    /// Call before a change of an account is sent. Until `changeEnded`, answers about the account are not cached, since it is
    /// unknown whether they show the account before or after the change. Cached ones are removed now: otherwise a reader could
    /// see the new state in an answer of the source, and then the old one in a cached answer. Answers of operations with a
    /// quota stay until the end, since the source would refuse to repeat them so soon.
    package func changeBegan(_ account: AccountID, invalidating operations: [Operation]) {
        changes.began(account)
        remove(operations.filter { $0.rules.quota == nil }, account)
    }

    /// Call when a change of an account has ended, whether it took effect or not. Removes the answers that it may have made
    /// wrong.
    package func changeEnded(_ account: AccountID, invalidating operations: [Operation]) {
        changes.ended(account)
        remove(operations, account)
    }

    private func remove(_ operations: [Operation], _ account: AccountID) {
        for master in masters.withLock({ $0 }) {
            for operation in operations { remove(operation, account, master) }
        }
    }

    private func remove(_ operation: Operation, _ account: AccountID, _ master: Name?) {
        var reads = [AccountRead(operation, account)]
        if operation == .listBillingInvoices {
            let cached = periods.withLock { $0.removeAll(of: .init(account: account, master: master)) }
            reads = cached.map { .invoices(of: account, in: $0) }
        }
        for key in reads.map({ Key($0, master) }) {
            let released = part(of: key).part.withLock { part -> Entry? in
                guard let slot = part.slots.removeValue(forKey: key) else { return nil }
                part.order.remove(slot)
                return slot.entry
            }
            // Freed without the lock.
            _ = consume released
        }
    }

    /// Cancels the requests in flight and refuses new ones.
    package func close() async {
        await coalescer.close()
    }

    /// Whether a request to the source is in flight.
    package var isFetching: Bool { !coalescer.isEmpty }

    package var counts: Counts {
        parts.reduce(into: Counts()) { sum, part in
            let counts = part.part.withLock { $0.counts }
            sum.fresh += counts.fresh
            sum.stale += counts.stale
            sum.missed += counts.missed
            sum.evicted += counts.evicted
            sum.revalidations += counts.revalidations
            sum.staleIfError += counts.staleIfError
        }
    }

    /// The number of cached answers and their size.
    package var size: (entries: Int, bytes: Int) {
        parts.reduce(into: (0, 0)) { sum, part in
            let (entries, bytes) = part.part.withLock { ($0.order.count, $0.order.bytes) }
            sum.0 += entries
            sum.1 += bytes
        }
    }
}
