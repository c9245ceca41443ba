/// The window of an export: the items from the oldest without a written result to the last one added. A pure state
/// machine: it receives events and returns the next step.
///
/// An item is one kind of data of one account. In an ordered export, an item that keeps failing delays the results
/// behind it. Those items are looked up meanwhile, and their results are buffered up to two limits.
///
/// Each kind has its own attempts in flight, since the source's rate limits differ. So a slow kind does not hold up the
/// others until the window is full.
package struct ExportWindow {
    package enum Item: Sendable {
        /// The kind is an index, less than the number of kinds.
        case record(AccountID, kind: Int)
        case invalidLine(Int, String)
        /// Cached answers of one kind for consecutive accounts. They need no lookup.
        case run(AnswerRun)
        /// The account has vanished, by a list of this time.
        case gone(AccountID, Timestamp)
    }

    /// An item with its result.
    package enum Ready: Sendable {
        case record(AccountID, kind: Int, Outcome)
        case invalidLine(Int, String)
        case run(AnswerRun)
        case gone(AccountID, Timestamp)
    }

    package typealias Outcome = Result<CacheEntry, BillingFailure>

    /// One attempt to look up the item at a position.
    package struct Attempt: Sendable {
        package let position: Int
        package let account: AccountID
        package let kind: Int
        package let isRetry: Bool
    }

    /// A lookup to be retried later.
    package struct Retry: Sendable {
        package enum Reason: Sendable {
            case failure
            /// The source's rate limit left no permit for it.
            case rateLimit
            /// The source accepts no requests, so no other account is tried in its place.
            case unavailable
        }

        package let position: Int
        package let kind: Int
        package let due: Moment
        package let reason: Reason
    }

    /// The place of an item in the window.
    private struct Slot {
        let item: Item

        /// The result of a record.
        var outcome: Outcome?

        /// The size of the answer.
        var bytes = 0

        /// Set when the first attempt has failed.
        var retry: BulkRetry?
    }

    /// The lookups of one kind.
    private struct Lookups {
        /// Attempts in flight, and lookups that wait until the source accepts requests again.
        var inFlight = 0

        /// Lookups without a first attempt.
        var queued = RingQueue<Int>()

        /// Lookups whose back-off has ended.
        var dueRetries = RingQueue<Int>()
        var failureRate = FailureRate()

        /// Lookups that wait because the rate limit left no permit for them.
        var waitingForPermit = 0
    }

    package struct Limits: Sendable, Equatable {
        /// The maximum number of attempts in flight, of each kind.
        package var attemptsMax: Int

        /// The maximum number of accounts in the window.
        package var accountsMax: Int

        /// The size of the buffered answers above which no lookups begin, except those of the oldest account.
        package var bytesMax: Int

        package init(attemptsMax: Int, accountsMax: Int, bytesMax: Int) {
            self.attemptsMax = attemptsMax
            self.accountsMax = accountsMax
            self.bytesMax = bytesMax
        }
    }

    private let isOrdered: Bool
    private let limits: Limits
    private let deadline: Duration

    /// The maximum number of items in the window.
    private let sizeMax: Int

    /// In an ordered export, the item at a position is in the slot position modulo size; otherwise in any free slot.
    /// Doubles when full.
    private var slots: [Slot?]
    private var free: [Int]

    /// The position of the next result to write, in an ordered export, and of the next item to add.
    private var first = 0
    private var end = 0
    private var occupied = 0

    /// The size of the buffered answers.
    private var bytes = 0

    /// In an unordered export: slots with a result, in order of arrival.
    private var completed = RingQueue<Int>()

    /// By kind.
    private var lookups: [Lookups]

    package private(set) var answers = 0
    package private(set) var failures = 0

    /// The number of answers that are not written, since they have not changed.
    package private(set) var unchanged = 0

    /// The number of results of invalid lines, which are failures too.
    private var invalidLines = 0

    /// - Parameters:
    ///   - kinds: The number of kinds of each account.
    ///   - deadline: How long one item is retried.
    package init(kinds: Int = 1, limits: Limits, deadline: Duration, isOrdered: Bool) {
        self.isOrdered = isOrdered
        self.limits = limits
        self.deadline = deadline
        sizeMax = max(limits.accountsMax, limits.attemptsMax) * kinds
        lookups = Array(repeating: Lookups(), count: kinds)
        let size = min(sizeMax, 64 * kinds)
        slots = Array(repeating: nil, count: size)
        free = isOrdered ? [] : Array(0..<size)
    }

    private var kinds: Int { lookups.count }

    /// The number of accounts and invalid lines whose results were all written. In an unordered export with several kinds,
    /// the results of other accounts count for their share.
    var done: Int { (answers + failures + unchanged - invalidLines) / kinds + invalidLines }
    package var isEmpty: Bool { occupied == 0 }

    // MARK: Adding items

    /// Whether another account or invalid line can be added, and a lookup of it could begin at once.
    package var hasRoom: Bool {
        guard occupied + kinds <= sizeMax, bytes < limits.bytesMax else { return false }
        for kind in lookups.indices where lookups[kind].inFlight < limits.attemptsMax && lookups[kind].queued.isEmpty {
            return true
        }
        return false
    }

    /// Adds an item. Requires `hasRoom` for the first item of each account and for an invalid line.
    ///
    /// - Returns: Its position.
    package mutating func add(_ item: Item) -> Int {
        if occupied == slots.count { grow() }
        let position = isOrdered ? end : free.removeLast()
        end += 1
        occupied += 1
        slots[index(of: position)] = Slot(item: item)
        switch item {
        case .record: break
        case .invalidLine, .gone: if !isOrdered { completed.append(position) }
        case .run(let run):
            bytes += run.text.count
            slots[index(of: position)]?.bytes = run.text.count
            if !isOrdered { completed.append(position) }
        }
        return position
    }

    /// Counts cached answers that are written at once, without a place in the window. Requires `isEmpty`, or an unordered
    /// export.
    package mutating func pass(_ run: AnswerRun) {
        answers += run.count - run.failureCount
        failures += run.failureCount
    }

    private func index(of position: Int) -> Int { isOrdered ? position % slots.count : position }

    private mutating func grow() {
        let size = min(slots.count * 2, sizeMax)
        guard isOrdered else {
            free.append(contentsOf: slots.count..<size)
            slots.append(contentsOf: repeatElement(nil, count: size - slots.count))
            return
        }
        var larger: [Slot?] = Array(repeating: nil, count: size)
        for position in first..<end { larger[position % size] = slots[position % slots.count] }
        slots = larger
    }

    // MARK: Lookups

    /// Requests a lookup of an item that was added.
    package mutating func lookUp(_ position: Int, kind: Int) {
        lookups[kind].queued.append(position)
    }

    /// Starts the next attempt: of a lookup whose back-off has ended, or of a new one. `nil` if there is none, or no room
    /// for it.
    package mutating func beginAttempt() -> Attempt? {
        for kind in lookups.indices where lookups[kind].inFlight < limits.attemptsMax {
            guard let position = nextPosition(of: kind), let slot = slots[index(of: position)],
                case .record(let account, _) = slot.item
            else { continue }
            lookups[kind].inFlight += 1
            return Attempt(
                position: position, account: account, kind: kind,
                isRetry: slot.retry.map { $0.failures > 0 } ?? false)
        }
        return nil
    }

    private mutating func nextPosition(of kind: Int) -> Int? {
        if let position = lookups[kind].dueRetries.popFirst() { return position }
        guard let position = lookups[kind].queued.first else { return nil }
        // Above the limit, only the oldest account is looked up: its answers permit the buffered ones to be written.
        guard bytes < limits.bytesMax || !isOrdered || position < first + kinds else { return nil }
        return lookups[kind].queued.popFirst()
    }

    /// Records the end of an attempt.
    ///
    /// - Returns: The retry to schedule; `nil` if the item now has its result.
    /// - Throws: A failure that affects more than one account.
    package mutating func ended(
        _ attempt: Attempt, startedAt started: Moment, _ outcome: Outcome, at now: Moment,
        using random: inout some RandomNumberGenerator
    ) throws(BillingFailure) -> Retry? {
        let (position, kind) = (attempt.position, attempt.kind)
        lookups[kind].inFlight -= 1
        let isFirst = slots[index(of: position)]?.retry == nil
        guard case .failure(let failure) = outcome, failure.traits.reach != .account else {
            if isFirst { lookups[kind].failureRate.firstAttempt(failed: false) }
            complete(position, with: outcome)
            return nil
        }
        if failure.traits.reach == .everything { throw failure }
        if isFirst { lookups[kind].failureRate.firstAttempt(failed: true) }
        var retry = slots[index(of: position)]?.retry ?? BulkRetry(deadline: started + deadline)
        let decision = retry.decide(failure, failureRate: lookups[kind].failureRate, at: now, using: &random)
        slots[index(of: position)]?.retry = retry
        switch decision {
        case .giveUp:
            complete(position, with: outcome)
            return nil
        case .retry(let moment):
            guard case .rateLimited = failure else {
                return Retry(position: position, kind: kind, due: moment, reason: .failure)
            }
            lookups[kind].waitingForPermit += 1
            return Retry(position: position, kind: kind, due: moment, reason: .rateLimit)
        case .pause(let moment):
            lookups[kind].inFlight += 1
            return Retry(position: position, kind: kind, due: moment, reason: .unavailable)
        }
    }

    /// Records that the back-off of a lookup has ended.
    package mutating func backOffEnded(_ retry: Retry) {
        switch retry.reason {
        case .failure: break
        case .rateLimit: lookups[retry.kind].waitingForPermit -= 1
        case .unavailable: lookups[retry.kind].inFlight -= 1
        }
        lookups[retry.kind].dueRetries.append(retry.position)
    }

    /// Records the result of an item.
    package mutating func complete(_ position: Int, with outcome: Outcome) {
        let size = Self.bytes(of: outcome)
        bytes += size
        slots[index(of: position)]?.outcome = outcome
        slots[index(of: position)]?.bytes = size
        if !isOrdered { completed.append(position) }
    }

    private static func bytes(of outcome: Outcome) -> Int {
        switch outcome {
        case .success(let entry): entry.response.bytes
        case .failure: 0
        }
    }

    /// The kinds that the next result can be of.
    package var awaitedKinds: [Int] {
        guard isOrdered else { return Array(lookups.indices) }
        guard occupied > 0, case .record(_, let kind)? = slots[index(of: first)]?.item else { return [] }
        return [kind]
    }

    /// Whether lookups of a kind wait because the rate limit left no permit for them.
    package func isWaitingForPermit(_ kind: Int) -> Bool { lookups[kind].waitingForPermit > 0 }

    // MARK: Results

    /// Counts cached answers that are not written.
    package mutating func passUnchanged(_ count: Int) { unchanged += count }

    /// Counts an answer that `next` returned as one that is not written.
    package mutating func markUnchanged(_ entry: CacheEntry) {
        if entry.failure == nil { answers -= 1 } else { failures -= 1 }
        unchanged += 1
    }

    /// Removes and returns the next item to write; `nil` if its result is not available yet.
    package mutating func next() -> Ready? {
        let index: Int
        if isOrdered {
            index = first % slots.count
        } else {
            guard let arrived = completed.popFirst() else { return nil }
            index = arrived
        }
        guard let slot = slots[index] else { return nil }
        let ready: Ready
        switch (slot.item, slot.outcome) {
        case (.record, nil): return nil
        case (.record(let account, let kind), let outcome?):
            ready = .record(account, kind: kind, outcome)
            if case .success(let entry) = outcome, entry.failure == nil { answers += 1 } else { failures += 1 }
        case (.invalidLine(let line, let problem), _):
            ready = .invalidLine(line, problem)
            failures += 1
            invalidLines += 1
        case (.gone(let account, let time), _): ready = .gone(account, time)
        case (.run(let run), _):
            ready = .run(run)
            pass(run)
        }
        slots[index] = nil
        if isOrdered { first += 1 } else { free.append(index) }
        occupied -= 1
        bytes -= slot.bytes
        return ready
    }
}
