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
            accountHash = read.account.bytesHash
            hash = Self.hash(read.operation, accountHash, Self.hash(of: master)) &+ (read.parameter?.hashValue ?? 0)
        }

        /// The hash of the key of a read without a parameter. It is a sum, since dictionaries hash it once more.
        static func hash(_ operation: Operation, _ accountHash: Int, _ masterHash: Int) -> Int {
            accountHash &+ Int(operation.rawValue) << 8 &+ masterHash
        }

        /// The part of a hash that a master account contributes.
        static func hash(of master: Name?) -> Int { master?.hashValue ?? 0 }

        func hash(into hasher: inout Hasher) { hasher.combine(hash) }

        static func == (left: Key, right: Key) -> Bool {
            left.hash == right.hash && left.read == right.read && left.master == right.master
        }
    }

    /// Identifies a request in flight. A read that begins after a change does not join one that began before it.
    private struct InFlightKey: Hashable, Sendable {
        let key: Key
        let version: AccountChanges.Version

        /// A lookup does not wait for a request that began before this replica may have missed changes.
        let epoch: AnswerEpoch
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

    /// How many lookups of the answers that replicas share had each result.
    package struct SharedCounts: Sendable, Equatable {
        package var hits = 0
        package var misses = 0

        /// The store has not answered in time.
        package var failed = 0

        /// The store was not asked, since it failed a moment ago.
        package var skipped = 0

        /// Lookups that waited for another replica's request to the source.
        package var waits = 0

        /// Waits for another replica's request, and requests of this replica that others may wait for, that were longer than
        /// others wait. The source may then receive two requests.
        package var expired = 0
    }

    private let source: any BillingSource
    private let time: any TimeSource
    private let rules: CacheRules
    private let codec: any AnswerCodec
    private let pages: AnswerPages
    private let prepared: PreparedAnswers
    private let coalescer = RequestCoalescer<InFlightKey, Entry>()
    private let jitter = Jitter()
    private let callerExecutor: @Sendable () -> (any TaskExecutor)?
    private let revalidations: Revalidations
    private let changes = AccountChanges()
    private let shared: SharedLevel?

    /// Incremented by `removeAll`. Answers to requests in flight at that time are not cached.
    private let generation = Atomic<Int>(0)

    /// - Parameters:
    ///   - pages: Where the answers are stored; `nil` for new pages with seven eighths of the memory of the cache.
    ///   - shared: The answers that replicas share; `nil` without other replicas.
    ///   - callerExecutor: The executor of the thread that serves the current caller; `nil` if it has none. A call to the
    ///     source runs on it if the answer is small: otherwise the call costs several switches between threads.
    package init(
        source: any BillingSource, time: any TimeSource, rules: CacheRules, codec: any AnswerCodec,
        pages: AnswerPages? = nil, shared: (any SharedAnswers)? = nil,
        callerExecutor: @escaping @Sendable () -> (any TaskExecutor)? = { nil }
    ) {
        self.callerExecutor = callerExecutor
        self.source = source
        self.time = time
        self.rules = rules
        self.codec = codec
        self.pages = pages ?? AnswerPages(rules: rules)
        let prepared = PreparedAnswers(rules: rules)
        self.prepared = prepared
        self.shared = shared.map { SharedLevel($0, time: time, rules: rules, prepared) }
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

    /// The cached answer to a read without a parameter, if a lookup has nothing to do but serve it: its response is prepared,
    /// it is no failure, it is fresh and not due for refresh-ahead, and it is marked as used. Otherwise `nil`, and `cached`
    /// decides.
    ///
    /// - Parameters:
    ///   - account: The bytes of the account's id. An id that is not valid has no answer.
    ///   - caller: The answer is `nil` for an account to which it has no access.
    ///   - maxAge: The maximum age that the request permits.
    func prepared(
        _ operation: Operation, of account: Span<UInt8>, for caller: PreparedCaller, maxAge: Duration?, at now: Moment
    ) -> Entry? {
        let accountHash = AccountID.hash(of: account)
        let hash = Key.hash(operation, accountHash, caller.masterHash)
        let sweep = pages.sweeps
        return prepared.withPart(of: accountHash) { part in
            guard let place = part.place(at: hash), place.sweep == sweep, place.key.read.operation == operation,
                place.key.read.parameter == nil, place.key.read.account.hasBytes(account),
                place.key.master == caller.master, caller.mayAccess(place.key.read.account)
            else { return nil }
            let age = now - place.entry.receivedAt
            guard age < place.refreshAge, place.entry.failure == nil, maxAge.map({ age <= $0 }) ?? true else {
                return nil
            }
            if !place.isInDemand { place.isInDemand = true }
            part.counts.fresh += 1
            return place.entry
        }
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
        case .unchecked(let entry):
            if directives.onlyIfCached { return entry }
            staleEntry = entry
        case .absent(let entry):
            if let narrowed = narrowed(key, directives, time.now) { return narrowed }
            staleEntry = entry
            // Counted here and not in the lookup: after a miss in `cached`, the caller calls this method.
            prepared.withPart(of: key.accountHash) { $0.counts.missed += 1 }
        }
        if directives.onlyIfCached { throw .notCached }
        do throws(BillingFailure) {
            let inFlight = inFlightKey(key)
            // With no-cache, or while the account is being changed, an answer requested earlier is too old. Nor can a request
            // wait with another's queue timeout. The source would refuse a second call for a scarce answer.
            let isScarce = !Self.canRevalidate(read.operation)
            let canJoin =
                !directives.noCache
                && (isScarce
                    || !inFlight.version.isChanging
                        && coalescer.purpose(of: inFlight).map { Self.canShare($0, purpose) } ?? true)
            guard canJoin else {
                return try await fetch(key, for: purpose, directives, stores: !directives.noStore).get()
            }
            let executor = key.read.operation.rules.hasSmallAnswers ? callerExecutor() : nil
            return try await coalescer.join(inFlight, purpose, on: executor, isScarce: isScarce) { [self] purpose in
                // A request that was in flight a moment ago may have been completed since the lookup.
                let found = lookUp(key, directives, time.now, isRepeated: true)
                if case .cached(let entry) = found { return .success(entry) }
                if let narrowed = narrowed(key, directives, time.now) { return .success(narrowed) }
                let unchecked: Entry? = if case .unchecked(let entry) = found { entry } else { nil }
                return await fetch(key, for: purpose, directives, unchecked: unchecked)
            }
        } catch {
            guard let staleEntry, error.traits.allowsStaleAnswer else { throw error }
            prepared.withPart(of: key.accountHash) { $0.counts.staleIfError += 1 }
            return staleEntry
        }
    }

    private enum Found {
        case cached(Entry)
        /// Could be served, but another replica may have changed the account since.
        case unchecked(Entry)
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
            if let shared, !shared.check.permits(answer.epoch) {
                if case .servedOnError = itsUse { return .absent(entry) }
                return .unchecked(entry)
            }
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

    private func inFlightKey(_ key: Key) -> InFlightKey {
        // The source would refuse a second call for a scarce answer.
        let epoch = Self.canRevalidate(key.read.operation) ? shared?.epoch : nil
        return InFlightKey(key: key, version: changes.version(of: key.read.account), epoch: epoch ?? .first)
    }

    /// Revalidates a cached answer at background priority, unless there are too many revalidations.
    private func revalidate(_ key: Key, _ now: Moment) {
        guard Self.canRevalidate(key.read.operation), let revalidation = revalidations.begin(key, at: now) else {
            return
        }
        // Another revalidation may have ended since the caller found the answer stale.
        if let (current, _) = pages.answer(to: key.read, under: key.master, isUse: false), current.receivedAt >= now {
            return
        }
        let purpose = Purpose.background(queueTimeout: rules.revalidationQueueTimeout)
        let inFlight = inFlightKey(key)
        let isStarted = coalescer.startBackground(inFlight, purpose) { [self] purpose in
            let outcome = await fetch(key, for: purpose, nil)
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
        let ages = ServableAges(
            directives, rules, canRevalidate: canRevalidate, shared?.check ?? .none, at: now)
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

    /// Whether `readShared` may find answers.
    func hasShared(_ directives: CacheDirectives) -> Bool {
        shared != nil && !directives.noCache && !directives.noStore
    }

    /// The maximum number of accounts for `readShared`.
    static let sharedReadsMax = 256

    /// Adds the answers to the cache that other replicas have and this one lacks.
    ///
    /// - Parameter accounts: In ascending order, at most `sharedReadsMax`.
    func readShared(
        of kind: ExportKind, under master: Name?, _ accounts: [AccountID], directives: CacheDirectives
    ) async {
        guard let shared, hasShared(directives) else { return }
        let (now, epoch) = (time.now, shared.epoch)
        let ages = ServableAges(
            directives, rules, canRevalidate: Self.canRevalidate(kind.operation), shared.check, at: now)
        let reads = accounts.map { kind.read(of: $0) }.filter { read in
            guard !shared.isChanging(read.account) else { return false }
            guard let (answer, _) = pages.answer(to: read, under: master, isUse: false) else { return true }
            return !ages.permits(answer)
        }
        guard !reads.isEmpty else { return }
        let began = reads.map { version(of: Key($0, master)) }
        guard let found = await shared.find(reads, under: master) else { return }
        let received = time.now
        var answers: [(read: AccountRead, answer: NewAnswer)] = []
        var versions: [AccountID: Version] = [:]
        for (index, shared) in found.enumerated() {
            guard let shared else { continue }
            let answer = NewAnswer(
                shared.encoded, shared.content, receivedAt: received - shared.age, lifetime: shared.lifetime,
                epoch: epoch)
            answers.append((reads[index], answer))
            versions[reads[index].account] = began[index]
        }
        pages.put(answers, under: master, time) { read in
            versions[read.account].map { isCurrent($0, read.account) } ?? false
        }
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

    /// The shared answer that the directives permit, or the source's.
    ///
    /// - Parameters:
    ///   - directives: `nil` for a revalidation.
    ///   - stores: Whether the answer is cached.
    ///   - unchecked: An answer that is returned if no other replica has changed the account since.
    private func fetch(
        _ key: Key, for purpose: Purpose, _ directives: CacheDirectives?, stores: Bool = true, unchecked: Entry? = nil
    ) async -> Result<Entry, BillingFailure> {
        guard stores, let shared, rules.ttl > .zero else {
            return await fetchFromSource(key, version(of: key), for: purpose, stores: stores, shared?.epoch ?? .first)
        }
        let (version, epoch) = (version(of: key), shared.epoch)
        var wanted = WantedAnswer(directives, rules, canRevalidate: Self.canRevalidate(key.read.operation))
        if unchecked == nil, directives?.noCache != true { wanted.claim = SharedLevel.claim(purpose) }
        let finding = await shared.find(key.read, under: key.master, wanted, for: purpose)
        let foundAt = time.now
        switch finding {
        case .answer(let found, let place):
            let answer = NewAnswer(
                found.encoded, found.content, receivedAt: foundAt - found.age, lifetime: found.lifetime, epoch: epoch)
            if let unchecked, unchecked.receivedAt > answer.receivedAt, !place.isChanged(since: unchecked, time.now) {
                return checked(unchecked, key, version, epoch)
            }
            return .success(store(answer, key, version, stores: true, isLookup: purpose.priority == .interactive))
        case .absent(let place), .claimed(let place):
            if let unchecked, !place.isChanged(since: unchecked, time.now) {
                return checked(unchecked, key, version, epoch)
            }
            return await fetchFromSource(key, version, for: purpose, stores: true, epoch, sharing: (place, foundAt))
        case nil:
            if let unchecked { return .success(unchecked) }
            return await fetchFromSource(key, version, for: purpose, stores: true, epoch)
        }
    }

    /// A cached answer that no other replica has made wrong. The next lookups need not ask for it.
    private func checked(
        _ entry: Entry, _ key: Key, _ version: Version, _ epoch: AnswerEpoch
    ) -> Result<Entry, BillingFailure> {
        pages.setEpoch(epoch, of: key.read, under: key.master) { isCurrent(version, key.read.account) }
        return .success(entry)
    }

    private func isCurrent(_ version: Version, _ account: AccountID) -> Bool {
        version.generation == generation.load(ordering: .acquiring)
            && changes.permitsCaching(account, since: version.changes)
    }

    private func fetchFromSource(
        _ key: Key, _ version: Version, for purpose: Purpose, stores: Bool, _ epoch: AnswerEpoch,
        sharing place: (SharedPlace, foundAt: Moment)? = nil
    ) async -> Result<Entry, BillingFailure> {
        let outcome: Result<SourceAnswer, BillingFailure>
        var content = StoredContent.answer
        do throws(BillingFailure) {
            outcome = .success(try await source.answer(to: key.read, under: key.master, for: purpose))
        } catch {
            guard let failure = StoredContent(error) else {
                if place != nil { await shared?.release(key.read, under: key.master) }
                return .failure(error)
            }
            (outcome, content) = (.failure(error), failure)
        }
        let lifetime = rules.lifetime(
            ofFailure: content != .answer, quota: key.read.operation.rules.quota, chance: jitter.next())
        let encoded = codec.encode(outcome, to: key.read, asOf: time.timestamp)
        let answer = NewAnswer(encoded, content, receivedAt: time.now, lifetime: lifetime, epoch: epoch)
        let entry = store(
            answer, key, version, stores: stores && lifetime > .zero, isLookup: purpose.priority == .interactive)
        if let (place, foundAt) = place {
            shared?.countIfExpired(purpose, since: foundAt)
            if lifetime > .zero, changes.permitsCaching(key.read.account, since: version.changes) {
                await shared?.put(answer, to: key.read, under: key.master, place, foundAt: foundAt)
            } else {
                await shared?.release(key.read, under: key.master)
            }
        }
        return .success(entry)
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
        where whole.failure == nil && shared?.check.permits(whole.epoch) != false {
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
            let answer = NewAnswer(
                encoded, .answer, receivedAt: whole.receivedAt, lifetime: whole.lifetime, epoch: whole.epoch)
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
                isCurrent(version, key.read.account)
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
            prepared.stored(
                entry, key, isLookup: isLookup && answer.epoch != .unchecked, sweep: pages.sweeps - 1,
                version: partVersion)
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
        let repeatable = operations.filter { $0.rules.quota == nil }
        remove(repeatable, account)
        shared?.changed(SharedChange(account: account, operations: repeatable, phase: .began))
    }

    /// Call when a change of an account has ended, whether it took effect or not. Removes the answers that it may have made
    /// wrong.
    package func changeEnded(_ account: AccountID, invalidating operations: [Operation]) {
        changes.ended(account)
        remove(operations, account)
        shared?.changed(SharedChange(account: account, operations: operations, phase: .ended))
    }

    private func remove(_ operations: [Operation], _ account: AccountID) {
        for operation in operations { pages.remove(operation, of: account) }
        prepared.remove(operations, of: account)
    }

    // MARK: Other replicas

    /// Records what other replicas do.
    package func received(_ event: SharedAnswersEvent) {
        guard let shared else { return }
        switch event {
        case .connected:
            if shared.connected() { pages.removeAll() }
        case .lost: shared.lost()
        case .changed(let change):
            changes.began(change.account)
            remove(change.operations, change.account)
            changes.ended(change.account)
        }
    }

    /// Tells other replicas of changes, until the task is cancelled.
    package func shareChanges() async { await shared?.run() }

    /// Waits a short time until other replicas know the changes of this one. Call before a caller learns that its change has ended.
    package func waitUntilChangesAreShared() async { await shared?.waitUntilTold() }

    /// Waits until other replicas know the changes of this one, at most for a limit.
    package func waitUntilChangesAreShared(within limit: Duration) async { await shared?.waitUntilTold(within: limit) }

    /// `nil` without other replicas.
    package var sharedCounts: SharedCounts? { shared?.counts }

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

extension SharedPlace {
    /// Longer than any request to the source. An answer may show the state of the account when the request was sent.
    private static let tolerance = Duration.seconds(120)

    /// Whether the account may have changed since an answer was received.
    fileprivate func isChanged(since entry: CacheEntry, _ now: Moment) -> Bool {
        isChanging || sinceChange.map { $0 <= entry.age(at: now) + Self.tolerance } ?? false
    }
}

extension WantedAnswer {
    /// The answers that the directives and rules permit.
    ///
    /// - Parameters:
    ///   - directives: `nil` for an answer that need not be revalidated.
    ///   - canRevalidate: Whether a stale answer may be revalidated afterwards.
    fileprivate init(_ directives: CacheDirectives?, _ rules: CacheRules, canRevalidate: Bool) {
        self.init(remaining: 1)
        guard let directives else {
            lifetimeParts = Int64(rules.refreshAheadParts)
            return
        }
        if directives.noCache {
            ageMax = -1
        } else if let maxAge = directives.maxAge {
            ageMax = maxAge.wholeMilliseconds
        }
        if let minFresh = directives.minFresh {
            remaining = max(minFresh.wholeMilliseconds, 1)
        } else if let maxStale = directives.maxStale {
            remaining = -maxStale.wholeMilliseconds
        } else if canRevalidate, rules.staleWhileRevalidate > .zero {
            remaining = 1 - rules.staleWhileRevalidate.wholeMilliseconds
        }
    }
}
