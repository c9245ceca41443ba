import Synchronization

/// Stores answers of the source in pages, within a limit of memory.
///
/// A sweep frees memory: it goes from page to page, removes the answers that were not looked up since its last visit, and
/// clears the marks of the others. So the answers that apps look up stay, while an export stores millions of others. This is
/// the policy CLOCK, with a page as the unit of work.
package final class AnswerPages: Sendable {
    private struct Hand {
        /// The shelves that the sweep has yet to visit in this round. The last one is the current.
        var shelves: [PageShelf] = []

        /// The last key of the last page that the sweep has visited.
        var last: PageKey?

        /// The pages to visit until the next step.
        var pagesLeft = 0

        /// The pages of a step: an eighth of all pages at the beginning of the round.
        var pagesPerStep = 1
    }

    private let bytesMax: Int
    private let accounting: PageAccounting
    private let shelves = Mutex<[PageShelf.ID: PageShelf]>([:])
    private let hand = Mutex(Hand())

    /// The accounts whose answers were removed since pages are restored; `nil` if none are.
    private let removedAccounts = Mutex<Set<AccountID>?>(nil)
    private let steps = Atomic<Int>(0)
    private let evictedAnswers = Atomic<Int>(0)
    private let watches = Mutex<[ObjectIdentifier: ChangeWatch]>([:])
    private let writes = WritesUnderWay()

    /// - Parameters:
    ///   - bytesMax: The limit of memory.
    ///   - firstNumber: The number of the first page, larger than that of every page of an earlier process.
    ///   - recordsChanges: Whether pages are stored elsewhere, so that it has to be known which ones have changed.
    package init(bytesMax: Int, firstNumber: Int64 = 0, recordsChanges: Bool = false) {
        self.bytesMax = bytesMax
        accounting = PageAccounting(firstNumber: firstNumber, recordsChanges: recordsChanges)
    }

    /// The pages of a cache with these rules.
    package convenience init(rules: CacheRules, firstNumber: Int64 = 0, recordsChanges: Bool = false) {
        self.init(
            bytesMax: rules.bytesMax - PreparedAnswers(rules: rules).bytesMax,
            firstNumber: firstNumber,
            recordsChanges: recordsChanges)
    }

    package var bytes: Int { accounting.bytes }

    /// The number of stored answers.
    package var count: Int { accounting.answers }

    /// The number of answers that a sweep has removed.
    package var evicted: Int { evictedAnswers.load(ordering: .relaxed) }

    /// The number of steps that the sweep has made, eight for each round. An answer that is used after each step is not
    /// removed.
    package var sweeps: Int { steps.load(ordering: .relaxed) }

    // MARK: Reading

    func shelf(_ id: PageShelf.ID) -> PageShelf? { shelves.withLock { $0[id] } }

    var allShelves: [PageShelf] { shelves(where: { _ in true }) }

    private func shelves(where isWanted: (PageShelf.ID) -> Bool) -> [PageShelf] {
        shelves.withLock { $0.values.filter { isWanted($0.id) } }
    }

    /// The stored answer to a read.
    ///
    /// - Parameter isUse: Whether the answer is looked up by a caller, so that the next sweep keeps it.
    /// - Returns: The answer, and whether it was used since the last sweep.
    package func answer(to read: AccountRead, under master: Name?, isUse: Bool) -> (
        answer: StoredAnswer, wasUsed: Bool
    )? {
        let key = PageKey(read)
        guard let page = shelf(PageShelf.ID(read, master))?.page(for: key) else { return nil }
        let (index, isFound) = page.search(key)
        guard isFound, let answer = page.answer(at: index, to: read) else { return nil }
        return (answer, isUse ? page.use(index) : false)
    }

    /// Stored answers of consecutive accounts.
    package enum Found: Sendable {
        case answers(AnswerRun)
        /// This number of answers that the filter does not select.
        case unchanged(Int)

        package var count: Int {
            switch self {
            case .answers(let run): run.count
            case .unchanged(let count): count
            }
        }
    }

    /// Stored answers of one kind for consecutive accounts of a list, from the first one on, as many as are on one page and
    /// are all selected or all not selected.
    ///
    /// - Parameters:
    ///   - range: The accounts of the list, at least one.
    ///   - ages: Which answers may be served.
    ///   - filter: Selects answers; `nil` for all.
    ///   - onStale: Called with the account of each answer that is stale; returns whether to call it again.
    /// - Returns: The answers, and how many of them are stale; `nil` if the first account has no such answer.
    package func run(
        of kind: ExportKind, under master: Name?, in list: AccountList, _ range: Range<Int>, _ ages: ServableAges,
        filter: ChangeFilter? = nil, onStale: (AccountID) -> Bool = { _ in false }
    ) -> (found: Found, stale: Int)? {
        let read = kind.read(of: list[range.lowerBound])
        let key = PageKey(read)
        guard let page = shelf(PageShelf.ID(read, master))?.page(for: key) else { return nil }
        let (start, isFound) = page.search(key)
        guard isFound else { return nil }
        var (end, failures, stale) = (start, 0, 0)
        var isAsked = true
        var isSelected = true
        let (entries, text) = (page.entries, page.text)
        // The account of the list that belongs to entry `end`.
        var place = range.lowerBound
        scan: while end < entries.count, place < range.upperBound {
            let entry = entries[end]
            guard entry.content != .removed,
                end == start || list.matches(place, text.span.extracting(page.keyRange(of: end)))
            else { break }
            let use = ages.use(
                receivedAt: page.origin + Int64(entry.receivedAt), lifetime: Int64(entry.lifetime), epoch: entry.epoch)
            if let filter, use != .none {
                // Most accounts are unchanged, and few were added: the id is needed for few.
                let isChanged =
                    entry.firstSeen >= filter.since || filter.added.count > 0 && filter.added.contains(list[place])
                if end == start { isSelected = isChanged } else if isChanged != isSelected { break }
            }
            switch use {
            case .fresh: break
            case .stale:
                stale += 1
                if isAsked { isAsked = onStale(list[place]) }
            case .none: break scan
            }
            if entry.content != .answer { failures += 1 }
            end += 1
            place += 1
        }
        guard end > start else { return nil }
        guard isSelected else { return (.unchanged(end - start), stale) }
        return (.answers(AnswerRun(kind, page, start..<end, failureCount: failures)), stale)
    }

    /// The stored lists of invoices of an account for longer periods that contain `period`, newest first.
    func lists(of account: AccountID, around period: InvoicePeriod, under master: Name?)
        -> [(period: InvoicePeriod, answer: StoredAnswer)]
    {
        let longer = shelves { id in
            id.operation == .listBillingInvoices && id.master == master && id.period != period
                && id.period?.contains(period) == true
        }
        return longer.compactMap { shelf -> (InvoicePeriod, StoredAnswer)? in
            guard let period = shelf.id.period,
                let found = answer(to: .invoices(of: account, in: period), under: master, isUse: true)
            else { return nil }
            return (period, found.answer)
        }.sorted { $0.1.receivedAt > $1.1.receivedAt }
    }

    /// The numbers of stored answers to an operation, by their age.
    ///
    /// - Parameter bounds: Ages in ascending order. The last number is that of older answers.
    package func counts(of operation: Operation, byAge bounds: [Duration], at now: Moment) -> [Int] {
        let latest = now.milliseconds
        let bounds = bounds.map { Int64($0 / .milliseconds(1)) }
        var counts = [Int](repeating: 0, count: bounds.count + 1)
        for shelf in shelves(where: { $0.operation == operation }) {
            for page in shelf.allPages {
                for entry in page.entries where entry.content != .removed {
                    let age = latest - page.origin - Int64(entry.receivedAt)
                    counts[bounds.firstIndex { age <= $0 } ?? bounds.count] += 1
                }
            }
        }
        return counts
    }

    // MARK: Writing

    /// Stores an answer in place of an older one, unless that is not permitted.
    ///
    /// - Parameters:
    ///   - now: The milliseconds since 1970.
    ///   - isPermitted: Whether the answer may be stored. Called when no other task can change the stored answer.
    /// - Returns: When the content was first received; `nil` if the answer was not stored.
    package func put(
        _ answer: NewAnswer, to read: AccountRead, under master: Name?, now: Int64, isPermitted: () -> Bool = { true }
    ) -> Int64? {
        let id = PageShelf.ID(read, master)
        while true {
            switch shelfForWriting(id).put(answer, at: PageKey(read), now: now, isPermitted: isPermitted) {
            case .stored(let firstSeen):
                if firstSeen >= now { notify(read, master, firstSeen) }
                sweepIfNeeded()
                return firstSeen
            case .refused: return nil
            case .shelfRemoved: continue
            }
        }
    }

    /// Stores answers in place of older ones: as `put`, but much faster for many accounts.
    ///
    /// - Parameters:
    ///   - answers: Answers to reads of one operation with one parameter, in ascending order of account.
    ///   - isPermitted: Whether the answer to a read may be stored.
    func put(
        _ answers: [(read: AccountRead, answer: NewAnswer)], under master: Name?, _ time: any TimeSource,
        isPermitted: (AccountRead) -> Bool
    ) {
        guard let first = answers.first else { return }
        let id = PageShelf.ID(first.read, master)
        writes.write(time) { now in
            while true {
                guard let stored = shelfForWriting(id).put(answers, now: now, isPermitted: isPermitted) else {
                    continue
                }
                for (read, firstSeen) in stored where firstSeen >= now { notify(read, master, firstSeen) }
                return sweepIfNeeded()
            }
        }
    }

    /// Records that an answer was compared with those of other replicas.
    func setEpoch(_ epoch: AnswerEpoch, of read: AccountRead, under master: Name?, isPermitted: () -> Bool) {
        shelf(PageShelf.ID(read, master))?.setEpoch(epoch, at: PageKey(read), isPermitted: isPermitted)
    }

    /// As the other `put`, at the present time.
    package func put(
        _ answer: NewAnswer, to read: AccountRead, under master: Name?, _ time: any TimeSource, isPermitted: () -> Bool
    ) -> Int64? {
        writes.write(time) { put(answer, to: read, under: master, now: $0, isPermitted: isPermitted) }
    }

    /// Every content that was first received before this moment can be read, and the watches know of it.
    func momentOfCompleteness(_ time: any TimeSource) -> Int64 { writes.firstMoment(time) }

    /// Lets the content of an answer, or of one that was removed because of a change, count as first received now.
    ///
    /// - Returns: The moment, in milliseconds since 1970; `nil` if no content is known.
    func countAsChanged(_ read: AccountRead, under master: Name?, _ time: any TimeSource) -> Int64? {
        guard let shelf = shelf(PageShelf.ID(read, master)) else { return nil }
        return writes.write(time) { now in
            guard let firstSeen = shelf.setFirstSeen(now, at: PageKey(read)) else { return nil }
            notify(read, master, firstSeen)
            return firstSeen
        }
    }

    private func notify(_ read: AccountRead, _ master: Name?, _ moment: Int64) {
        let watches = watches.withLock { $0.isEmpty ? [] : $0.values.filter { $0.master == master } }
        for watch in watches { watch.changed(read.operation, of: read.account, at: moment) }
    }

    /// Begins to watch which accounts change. Call `end` afterwards.
    func watch(_ operations: Set<Operation>, under master: Name?) -> ChangeWatch {
        let watch = ChangeWatch(operations: operations, master: master)
        watches.withLock { $0[ObjectIdentifier(watch)] = watch }
        return watch
    }

    func end(_ watch: ChangeWatch) {
        watches.withLock { $0[ObjectIdentifier(watch)] = nil }
    }

    /// When the content of an answer, or of one that was removed because of a change, was first received, in milliseconds since
    /// 1970; `nil` if none is known.
    func firstSeen(of read: AccountRead, under master: Name?) -> Int64? {
        let key = PageKey(read)
        guard let page = shelf(PageShelf.ID(read, master))?.page(for: key) else { return nil }
        let (index, isFound) = page.search(key)
        return isFound ? page.entries[index].firstSeen : nil
    }

    private func shelfForWriting(_ id: PageShelf.ID) -> PageShelf {
        shelves.withLock { shelves in
            if let shelf = shelves[id] { return shelf }
            let shelf = PageShelf(id, pages: accounting)
            shelves[id] = shelf
            return shelf
        }
    }

    /// When the content of an answer was first received: `now` if it is new.
    func firstSeen(_ answer: NewAnswer, to read: AccountRead, under master: Name?, now: Int64) -> Int64 {
        shelf(PageShelf.ID(read, master))?.firstSeen(answer, at: PageKey(read), now: now) ?? now
    }

    /// Removes the answers to an operation for an account, under every master account.
    package func remove(_ operation: Operation, of account: AccountID) {
        // First, since a page with an older answer may be restored meanwhile.
        removedAccounts.withLock { _ = $0?.insert(account) }
        let key = PageKey(Array(account.rawValue.utf8))
        for shelf in shelves(where: { $0.operation == operation }) { shelf.remove(key) }
    }

    package func removeAll() {
        let all = shelves.withLock { shelves in
            defer { shelves = [:] }
            return shelves.values.map { $0 }
        }
        for shelf in all { _ = shelf.removeAll(onlyIfEmpty: false) }
    }

    /// Removes the answers that were received before a moment.
    package func removeAll(receivedBefore moment: Moment) {
        for shelf in allShelves {
            _ = shelf.removeAll(receivedBefore: moment.milliseconds)
            removeIfEmpty(shelf)
        }
    }

    private func removeIfEmpty(_ shelf: PageShelf) {
        guard shelf.isEmpty else { return }
        shelves.withLock { shelves in
            if shelves[shelf.id] === shelf, shelf.removeAll(onlyIfEmpty: true) { shelves[shelf.id] = nil }
        }
    }

    // MARK: Storage outside of the process

    /// What has to be stored outside of the process.
    package struct Changes: Sendable {
        package var changed: [ChangedPage]

        /// The numbers of pages that no longer exist. Some may never have been stored.
        package var removed: [Int64]

        /// The number of changes that were left out.
        package var remaining: Int
    }

    /// Takes changes: the pages then count as stored.
    ///
    /// - Parameters:
    ///   - limit: The maximum number of changed and removed pages together.
    ///   - clock: The civil time of moments.
    package func takeChanges(limit: Int, _ clock: CivilClock) -> Changes {
        let (taken, remaining) = accounting.takeChanges(limit: limit)
        return Changes(
            changed: taken.changed.values.map { ChangedPage($0.page, $0.shelf, clock) }, removed: Array(taken.removed),
            remaining: remaining)
    }

    /// Counts changes as not stored: those of pages that changed, by their numbers, and of pages that were removed.
    package func returnChanges(changed: [Int64], removed: [Int64]) {
        let numbers = Set(changed)
        for shelf in allShelves {
            let pages = shelf.allPages.filter { numbers.contains($0.number) }
            if !pages.isEmpty { accounting.changed(pages, on: shelf.id) }
        }
        for number in removed { accounting.dropped(number) }
    }

    /// Counts all pages as changed.
    package func changeAll() {
        for shelf in allShelves { accounting.changed(shelf.allPages, on: shelf.id) }
    }

    /// The numbers of the pages that were used since the last call.
    package func takeUses() -> [Int64] {
        // Prepared answers that are in use are marked again.
        steps.add(1, ordering: .relaxed)
        return allShelves.flatMap { $0.allPages.filter { $0.takeUse() }.map(\.number) }
    }

    /// Whether there is room for stored pages.
    package var hasRoom: Bool { accounting.bytes < bytesMax - bytesMax / 16 }

    /// From now on, answers of accounts that are removed are not restored.
    package func beginRestoring() { removedAccounts.withLock { $0 = $0 ?? [] } }

    package func endRestoring() { removedAccounts.withLock { $0 = nil } }

    /// Adds a stored page. Where there are answers already, the newer ones stay.
    ///
    /// - Parameter isPermitted: Whether an answer may be added: its account, and when it was received in milliseconds since
    ///   1970.
    /// - Returns: Whether the image could be read.
    package func restore(
        _ image: PageImage, _ clock: CivilClock, isPermitted: (AccountID, Int64) -> Bool
    ) -> Bool {
        guard let page = image.page(clock) else { return false }
        while true {
            let isAdded = shelfForWriting(image.shelf).add(page) { key, receivedAt in
                guard let account = AccountID(key.prefix { $0 != 0 }) else { return false }
                guard removedAccounts.withLock({ $0?.contains(account) != true }) else { return false }
                return isPermitted(account, clock.civil(receivedAt))
            }
            if isAdded { return true }
        }
    }

    // MARK: Sweeping

    private func sweepIfNeeded() {
        guard accounting.bytes > bytesMax else { return }
        hand.withLock { hand in
            while accounting.bytes > bytesMax {
                guard let shelf = hand.shelves.last else {
                    // In the same order in each round, so that no page is visited twice in a row.
                    hand.shelves = allShelves.sorted { ObjectIdentifier($0) < ObjectIdentifier($1) }
                    if hand.shelves.isEmpty { return }
                    hand.pagesPerStep = max(hand.shelves.reduce(0) { $0 + $1.pageCount } / 8, 1)
                    hand.pagesLeft = hand.pagesPerStep
                    steps.add(1, ordering: .relaxed)
                    continue
                }
                guard let (last, evicted) = shelf.sweep(after: hand.last) else {
                    hand.shelves.removeLast()
                    hand.last = nil
                    removeIfEmpty(shelf)
                    continue
                }
                hand.last = last
                evictedAnswers.add(evicted, ordering: .relaxed)
                hand.pagesLeft -= 1
                if hand.pagesLeft <= 0 {
                    hand.pagesLeft = hand.pagesPerStep
                    steps.add(1, ordering: .relaxed)
                }
            }
        }
    }
}
