/// The accounts of an export from the first that has not been told of to the last that was taken in, and what becomes of
/// their lookups: a value that is told what happens and says what to do next.
///
/// In order, one account that keeps failing delays those behind it. They are looked up meanwhile, and their answers are held
/// until it is its turn: up to `sizeMax` of them.
package struct ExportWindow {
    package enum Item: Sendable {
        case account(AccountID)
        case line(Int, String)
    }

    package typealias Outcome = Result<CacheEntry, BillingFailure>

    /// One attempt to look up the account at a position.
    package struct Attempt: Sendable {
        package let position: Int
        package let account: AccountID
        package let isRetry: Bool
    }

    /// A lookup that is repeated later.
    package struct Repeat: Sendable {
        package enum Reason: Sendable {
            case failure
            /// The source's rate limit left no room for it.
            case budget
            /// The source takes no requests at all, so that no other account is tried in its place.
            case unavailable
        }

        package let position: Int
        package let due: Moment
        package let reason: Reason
    }

    private struct Slot {
        let item: Item
        var outcome: Outcome?
        /// Since the first attempt failed.
        var retry: BulkRetry?
    }

    private let isOrdered: Bool
    private let attemptsMax: Int
    private let sizeMax: Int
    private let deadline: Duration

    /// In order each is at its position modulo the size; as they come wherever there is room. Grows when it is full.
    private var slots: [Slot?]
    private var free: [Int]

    /// Positions of the next to be told of, in order, and of the next to be taken in.
    private var first = 0
    private var end = 0
    private var held = 0

    /// Those whose outcome is there, as they came.
    private var ready = RingQueue<Int>()

    /// Attempts under way, and lookups that wait until the source takes requests again.
    private var running = 0

    /// Those whose back-off is over.
    private var due = RingQueue<Int>()
    private var share = FailureRate()

    package private(set) var contacts = 0
    package private(set) var failures = 0

    /// Lookups that wait until the source's rate limit has room for them.
    package private(set) var waitingForBudget = 0

    /// - Parameters:
    ///   - attemptsMax: Attempts under way at a time.
    ///   - sizeMax: Accounts held at a time, no fewer than `attemptsMax`.
    ///   - deadline: How long one account is tried.
    package init(attemptsMax: Int, sizeMax: Int, deadline: Duration, isOrdered: Bool) {
        self.isOrdered = isOrdered
        self.attemptsMax = attemptsMax
        self.sizeMax = max(sizeMax, attemptsMax)
        self.deadline = deadline
        let size = min(self.sizeMax, 64)
        slots = Array(repeating: nil, count: size)
        free = isOrdered ? [] : Array(0..<size)
    }

    var done: Int { contacts + failures }
    package var isEmpty: Bool { held == 0 }

    // MARK: Taking in

    /// Whether another item can be taken in.
    package var hasRoom: Bool { running < attemptsMax && held < sizeMax }

    /// Takes one in, for which there is room.
    ///
    /// - Returns: Its position.
    package mutating func add(_ item: Item) -> Int {
        if held == slots.count { grow() }
        let position = isOrdered ? end : free.removeLast()
        end += 1
        held += 1
        slots[index(of: position)] = Slot(item: item)
        return position
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

    // MARK: Looking up

    /// Begins the first attempt for an account that was taken in.
    package mutating func begin(_ position: Int, _ account: AccountID) -> Attempt {
        running += 1
        return Attempt(position: position, account: account, isRetry: false)
    }

    /// Begins the next attempt for an account whose back-off is over, if there is one and room for it.
    package mutating func beginRepeat() -> Attempt? {
        guard running < attemptsMax, let position = due.popFirst(),
            let slot = slots[index(of: position)], case .account(let account) = slot.item
        else { return nil }
        running += 1
        return Attempt(position: position, account: account, isRetry: slot.retry.map { $0.failures > 0 } ?? false)
    }

    /// An attempt has ended.
    ///
    /// - Returns: When it is to be repeated; `nil` if its outcome is that of the account.
    /// - Throws: a failure that reaches further than one account.
    package mutating func ended(
        _ attempt: Attempt, begun: Moment, _ outcome: Outcome, at now: Moment,
        using random: inout some RandomNumberGenerator
    ) throws(BillingFailure) -> Repeat? {
        running -= 1
        let position = attempt.position
        let isFirst = slots[index(of: position)]?.retry == nil
        guard case .failure(let failure) = outcome, failure.traits.reach != .account else {
            if isFirst { share.firstAttempt(failed: false) }
            finished(position, outcome)
            return nil
        }
        if failure.traits.reach == .everything { throw failure }
        if isFirst { share.firstAttempt(failed: true) }
        var retry = slots[index(of: position)]?.retry ?? BulkRetry(deadline: begun + deadline)
        let decision = retry.decide(failure, share: share, at: now, using: &random)
        slots[index(of: position)]?.retry = retry
        switch decision {
        case .fails:
            finished(position, outcome)
            return nil
        case .repeats(let moment):
            guard case .rateLimited = failure else { return Repeat(position: position, due: moment, reason: .failure) }
            waitingForBudget += 1
            return Repeat(position: position, due: moment, reason: .budget)
        case .pauses(let moment):
            running += 1
            return Repeat(position: position, due: moment, reason: .unavailable)
        }
    }

    /// The back-off of a lookup is over.
    package mutating func isDue(_ lookup: Repeat) {
        switch lookup.reason {
        case .failure: break
        case .budget: waitingForBudget -= 1
        case .unavailable: running -= 1
        }
        due.append(lookup.position)
    }

    /// What is to be told of an item is known.
    package mutating func finished(_ position: Int, _ outcome: Outcome) {
        slots[index(of: position)]?.outcome = outcome
        if !isOrdered { ready.append(position) }
    }

    // MARK: Telling

    /// The next to be told of, if it is there.
    package mutating func next() -> (item: Item, outcome: Outcome)? {
        let index: Int
        if isOrdered {
            index = first % slots.count
        } else {
            guard let arrived = ready.popFirst() else { return nil }
            index = arrived
        }
        guard let slot = slots[index], let outcome = slot.outcome else { return nil }
        slots[index] = nil
        if isOrdered { first += 1 } else { free.append(index) }
        held -= 1
        switch outcome {
        case .success(let entry) where entry.failure == nil: contacts += 1
        case .success, .failure: failures += 1
        }
        return (slot.item, outcome)
    }
}
