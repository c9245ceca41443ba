import Synchronization

/// Caches the source's answers to reads of accounts, and coalesces concurrent requests for one of them.
///
/// `Freshness` decides how an answer is used. `AnswerPages` stores the answers in order of account, for lookups and streams
/// alike, and decides which ones are removed when memory is short. `PreparedAnswers` makes repeated lookups fast.
package final class BillingCache: Sendable {
    package typealias Entry = CacheEntry

    struct Key: Hashable, Sendable {
        let read: AccountRead
        let master: Name?
        let accountHash: Int
        let hash: Int

        init(_ read: AccountRead, _ master: Name?) {
            self.read = read
            self.master = master
            accountHash = read.account.hashValue
            guard read.parameter != nil || master != nil else {
                hash = accountHash &+ Int(read.operation.rawValue) << 8
                return
            }
            var hasher = Hasher()
            hasher.combine(accountHash)
            if let parameter = read.parameter { hasher.combine(parameter) }
            if let master { hasher.combine(master) }
            // Not hashed, since dictionaries hash this once more.
            hash = hasher.finalize() &+ Int(read.operation.rawValue) << 8
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
    private let codec: any AnswerCodec
    private let pages: AnswerPages
    private let prepared: PreparedAnswers
    private let coalescer = RequestCoalescer<InFlightKey, Entry>()
    private let revalidations: Revalidations
    private let changes = AccountChanges()

    /// Incremented by `removeAll`. Answers to requests in flight at that time are not cached.
    private let generation = Atomic<Int>(0)

    /// - Parameter pages: Where the answers are stored; `nil` for new pages with seven eighths of the memory of the cache.
    package init(
        source: any BillingSource, time: any TimeSource, rules: CacheRules, codec: any AnswerCodec,
        pages: AnswerPages? = nil
    ) {
        self.source = source
        self.time = time
        self.rules = rules
        self.codec = codec
        self.pages = pages ?? AnswerPages(rules: rules)
        prepared = PreparedAnswers(bytesMax: rules.preparedBytesMax)
        revalidations = Revalidations(max: rules.revalidationsMax, pause: rules.refreshPause)
    }

    // MARK: Lookups

    /// The cached answer, if the directives permit it. Does not wait.
    package func cached(_ read: AccountRead, under master: Name?, directives: CacheDirectives, at now: Moment)
        -> Entry?
    {
        let key = Key(read, master)
        guard case .cached(let entry) = lookUp(key, directives, now) else { return narrowed(key, directives, now) }
        return entry
    }

    /// Whether there is a cached answer that the directives permit. Does not count as a lookup.
    package func isCached(_ read: AccountRead, under master: Name?, directives: CacheDirectives, at now: Moment) -> Bool
    {
        guard let (answer, _) = pages.answer(to: read, under: master, isUse: false) else { return false }
        let age = max(now - answer.receivedAt, .zero)
        switch Freshness(age: age, lifetime: answer.lifetime, rules: rules, directives: directives) {
        case .fresh, .refreshAhead: return true
        case .stale: return directives.maxStale != nil || Self.canRevalidate(read.operation)
        case .staleIfError, .expired: return false
        }
    }

    /// The cached answer, or the source's.
    ///
    /// - Throws: The errors of `BillingSource`, except the failures that are cached; `notCached`.
    package func entry(
        for read: AccountRead, under master: Name?, for purpose: Purpose, directives: CacheDirectives
    ) async throws(BillingFailure) -> Entry {
        let key = Key(read, master)
        let staleEntry: Entry?
        switch lookUp(key, directives, time.now) {
        case .cached(let entry): return entry
        case .absent(let entry):
            if let narrowed = narrowed(key, directives, time.now) { return narrowed }
            staleEntry = entry
            // Counted here and not in the lookup: after a miss in `cached`, the caller calls this method.
            prepared.withPart(of: key.accountHash) { $0.counts.missed += 1 }
        }
        if directives.onlyIfCached { throw .notCached }
        do throws(BillingFailure) {
            let inFlight = InFlightKey(key: key, version: changes.version(of: read.account))
            // With no-cache, or while the account is being changed, an answer requested earlier is too old. Nor can a request
            // wait with another's queue timeout. The source would refuse a second call for a scarce answer.
            let isScarce = !Self.canRevalidate(read.operation)
            let canJoin =
                !directives.noCache
                && (isScarce
                    || !inFlight.version.isChanging
                        && coalescer.purpose(of: inFlight).map { Self.canShare($0, purpose) } ?? true)
            guard canJoin else { return try await fetch(key, for: purpose, stores: !directives.noStore).get() }
            return try await coalescer.join(inFlight, purpose, isScarce: isScarce) { [self] purpose in
                // A request that was in flight a moment ago may have been completed since the lookup.
                if case .cached(let entry) = lookUp(key, directives, time.now, isRepeated: true) {
                    return .success(entry)
                }
                if let narrowed = narrowed(key, directives, time.now) { return .success(narrowed) }
                return await fetch(key, for: purpose)
            }
        } catch {
            guard let staleEntry, error.traits.allowsStaleAnswer else { throw error }
            prepared.withPart(of: key.accountHash) { $0.counts.staleIfError += 1 }
            return staleEntry
        }
    }

    private enum Found {
        case cached(Entry)
        /// With the answer that is served if the source fails, if there is one.
        case absent(Entry?)
    }

    /// How an answer is used.
    fileprivate enum Use {
        case served(isStale: Bool, isRevalidated: Bool)
        case servedOnError
        case notServed
    }

    private func howToUse(
        age: Duration, lifetime: Duration, _ read: AccountRead, _ directives: CacheDirectives, isInDemand: Bool
    ) -> Use {
        switch Freshness(age: max(age, .zero), lifetime: lifetime, rules: rules, directives: directives) {
        case .fresh: .served(isStale: false, isRevalidated: false)
        case .refreshAhead: .served(isStale: false, isRevalidated: isInDemand)
        case .stale where directives.maxStale == nil && !Self.canRevalidate(read.operation): .servedOnError
        case .stale: .served(isStale: true, isRevalidated: true)
        case .staleIfError: .servedOnError
        case .expired: .notServed
        }
    }

    /// - Parameter isRepeated: Repeats a lookup that was counted a moment ago.
    private func lookUp(
        _ key: Key, _ directives: CacheDirectives, _ now: Moment, isRepeated: Bool = false
    ) -> Found {
        /// What the table of prepared answers has: the answer, or the version of its part.
        enum Prepared {
            case answer(Entry, Use, isMarkDue: Bool)
            case none(version: Int)
        }
        let sweep = pages.sweeps
        let found = prepared.withPart(of: key.accountHash) { part -> Prepared in
            guard let place = part.place(of: key) else { return .none(version: part.version) }
            let use = howToUse(
                age: now - place.entry.receivedAt, lifetime: place.entry.lifetime, key.read, directives,
                isInDemand: place.isInDemand)
            if !isRepeated { part.counts.count(use) }
            if !place.isInDemand { place.isInDemand = true }
            let isMarkDue = place.sweep != sweep
            if isMarkDue { place.sweep = sweep }
            return .answer(place.entry, use, isMarkDue: isMarkDue)
        }
        let (entry, use): (Entry, Use)
        switch found {
        case .answer(let answer, let itsUse, let isMarkDue):
            if isMarkDue { _ = pages.answer(to: key.read, under: key.master, isUse: true) }
            (entry, use) = (answer, itsUse)
        case .none(let version):
            guard let (answer, wasUsed) = pages.answer(to: key.read, under: key.master, isUse: true) else {
                return .absent(nil)
            }
            let itsUse = howToUse(
                age: now - answer.receivedAt, lifetime: answer.lifetime, key.read, directives, isInDemand: wasUsed)
            if case .notServed = itsUse { return .absent(nil) }
            entry = Entry(codec.response(from: answer, to: key.read), answer)
            use = itsUse
            prepared.add(entry, key, isInDemand: true, sweep: sweep, version: version)
            if !isRepeated { prepared.withPart(of: key.accountHash) { $0.counts.count(use) } }
        }
        switch use {
        case .served(_, let isRevalidated):
            if isRevalidated, !isRepeated { revalidate(key, now) }
            return .cached(entry)
        case .servedOnError: return .absent(entry)
        case .notServed: return .absent(nil)
        }
    }

    private static func canShare(_ inFlight: Purpose, _ purpose: Purpose) -> Bool {
        RequestCoalescer<InFlightKey, Entry>.canShare(inFlight, purpose)
    }

    /// The source permits few requests for an operation with a quota. None of them is made unless a caller waits for it.
    private static func canRevalidate(_ operation: Operation) -> Bool { operation.rules.quota == nil }

    /// Revalidates a cached answer at background priority, unless there are too many revalidations.
    private func revalidate(_ key: Key, _ now: Moment) {
        guard Self.canRevalidate(key.read.operation), let revalidation = revalidations.begin(key, at: now) else {
            return
        }
        let purpose = Purpose.background(queueTimeout: rules.revalidationQueueTimeout)
        let inFlight = InFlightKey(key: key, version: changes.version(of: key.read.account))
        let isStarted = coalescer.startBackground(inFlight, purpose) { [self] purpose in
            let outcome = await fetch(key, for: purpose)
            // Cancelled: a request of higher priority has replaced it, or the cache is being closed.
            if case .failure(let failure) = outcome, failure != .cancelled {
                revalidation.failed(failure, at: time.now)
            }
            return outcome
        }
        if isStarted { prepared.withPart(of: key.accountHash) { $0.counts.revalidations += 1 } }
    }

    // MARK: Streams

    /// Cached answers of one kind for consecutive accounts of a list, from the first one on, as many as are on one page.
    ///
    /// - Parameters:
    ///   - range: The accounts of the list, at least one.
    ///   - directives: What the answers must satisfy. A stale one that is served is revalidated while there is room for it.
    ///   - filter: Selects answers; `nil` for all.
    /// - Returns: `nil` if the first account has no such answer.
    package func run(
        of kind: ExportKind, under master: Name?, in list: AccountList, _ range: Range<Int>,
        directives: CacheDirectives, filter: ChangeFilter? = nil, at now: Moment
    ) -> AnswerPages.Found? {
        let canRevalidate = Self.canRevalidate(kind.operation)
        let ages = ServableAges(directives, rules, canRevalidate: canRevalidate, at: now)
        let found = pages.run(of: kind, under: master, in: list, range, ages, filter: filter) { account in
            guard canRevalidate, revalidations.hasRoom(at: now) else { return false }
            revalidate(Key(kind.read(of: account), master), now)
            return true
        }
        guard let (answers, stale) = found else { return nil }
        prepared.withPart(of: 0) { part in
            part.counts.fresh += answers.count - stale
            part.counts.stale += stale
        }
        return answers
    }

    /// Begins to watch which accounts change. Call `end` afterwards.
    func watch(_ operations: Set<Operation>, under master: Name?) -> ChangeWatch {
        pages.watch(operations, under: master)
    }

    func end(_ watch: ChangeWatch) { pages.end(watch) }

    /// Every content that was first received before this moment, in milliseconds since 1970, can be read from the cache, and the
    /// watches know of it.
    var momentOfCompleteness: Int64 { pages.momentOfCompleteness(time) }

    /// Lets the content of an answer count as first received now.
    ///
    /// - Returns: The moment, in milliseconds since 1970; `nil` if no content is known.
    func countAsChanged(_ read: AccountRead, under master: Name?) -> Int64? {
        pages.countAsChanged(read, under: master, time)
    }

    /// When the content of an answer was first received, in milliseconds since 1970, also if the answer was removed because of a
    /// change; `nil` if none is known.
    func firstSeen(of read: AccountRead, under master: Name?) -> Int64? { pages.firstSeen(of: read, under: master) }

    // MARK: Fetching

    /// - Parameter stores: Whether the answer is cached.
    private func fetch(
        _ key: Key, for purpose: Purpose, stores: Bool = true
    ) async -> Result<Entry, BillingFailure> {
        let version = version(of: key)
        let outcome: Result<SourceAnswer, BillingFailure>
        var content = StoredContent.answer
        do throws(BillingFailure) {
            outcome = .success(try await source.answer(to: key.read, under: key.master, for: purpose))
        } catch {
            guard let failure = StoredContent(error) else { return .failure(error) }
            (outcome, content) = (.failure(error), failure)
        }
        let lifetime = rules.lifetime(
            ofFailure: content != .answer, quota: key.read.operation.rules.quota, chance: .random(in: 0...1))
        let encoded = codec.encode(outcome, to: key.read, asOf: time.timestamp)
        let answer = NewAnswer(encoded, content, receivedAt: time.now, lifetime: lifetime)
        return .success(
            store(answer, key, version, stores: stores && lifetime > .zero, isLookup: purpose.priority == .interactive))
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
        for (longer, whole) in pages.lists(of: key.read.account, around: period, under: key.master)
        where whole.failure == nil {
            let age = max(now - whole.receivedAt, .zero)
            switch Freshness(age: age, lifetime: whole.lifetime, rules: rules, directives: directives) {
            case .fresh, .refreshAhead: break
            case .stale where directives.maxStale != nil: break
            case .stale, .staleIfError, .expired: continue
            }
            guard let (list, asOf) = codec.invoices(in: whole), let part = list.narrowed(to: period, from: longer)
            else {
                continue
            }
            let encoded = codec.encode(.success(.invoices(part)), to: key.read, asOf: asOf)
            let answer = NewAnswer(encoded, .answer, receivedAt: whole.receivedAt, lifetime: whole.lifetime)
            prepared.withPart(of: key.accountHash) { part in
                if age < whole.lifetime { part.counts.fresh += 1 } else { part.counts.stale += 1 }
            }
            return store(answer, key, version, stores: true, isLookup: true)
        }
        return nil
    }

    // MARK: Storing

    /// Adds an answer to the cache, unless answers were removed since `version`, or a newer one is there.
    ///
    /// - Parameter isLookup: Whether a caller looks the answer up.
    private func store(
        _ answer: NewAnswer, _ key: Key, _ version: Version, stores: Bool, isLookup: Bool
    ) -> Entry {
        let partVersion = prepared.withPart(of: key.accountHash) { $0.version }
        var firstSeen: Int64?
        if stores {
            firstSeen = pages.put(answer, to: key.read, under: key.master, time) {
                version.generation == generation.load(ordering: .acquiring)
                    && changes.permitsCaching(key.read.account, since: version.changes)
            }
        }
        let text = answer.encoded.text
        let stored = StoredAnswer(
            text: text[...], body: text[answer.encoded.body], tag: answer.encoded.tag,
            failure: answer.content.failure(of: key.read),
            firstSeen: firstSeen
                ?? pages.firstSeen(answer, to: key.read, under: key.master, now: time.millisecondsSinceEpoch),
            lifetime: answer.lifetime, receivedAt: answer.receivedAt)
        let entry = Entry(codec.response(from: stored, to: key.read), stored)
        if firstSeen != nil {
            revalidations.received(key)
            // The next lookup marks the answer as used.
            prepared.stored(entry, key, isLookup: isLookup, sweep: pages.sweeps - 1, version: partVersion)
        }
        return entry
    }

    /// Removes all answers. Those of requests in flight are not cached either.
    package func removeAll() {
        generation.add(1, ordering: .acquiringAndReleasing)
        pages.removeAll()
        prepared.removeAll()
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
        for operation in operations { pages.remove(operation, of: account) }
        prepared.remove(operations, of: account)
    }

    /// Cancels the requests in flight and refuses new ones.
    package func close() async {
        await coalescer.close()
    }

    /// Whether a request to the source is in flight.
    package var isFetching: Bool { !coalescer.isEmpty }

    package var counts: Counts {
        var counts = prepared.counts
        counts.evicted = pages.evicted
        return counts
    }

    /// The number of cached answers and their size.
    package var size: (entries: Int, bytes: Int) { (pages.count, pages.bytes + prepared.bytes) }
}

extension BillingCache.Counts {
    /// Counts a lookup that found an answer.
    fileprivate mutating func count(_ use: BillingCache.Use) {
        guard case .served(let isStale, _) = use else { return }
        if isStale { stale += 1 } else { fresh += 1 }
    }
}
