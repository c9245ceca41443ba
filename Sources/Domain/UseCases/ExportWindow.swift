/// The window of an export: the accounts from the oldest without a written result to the last one added. A pure state
/// machine: it receives events and returns the next step.
///
/// In an ordered export, an account that keeps failing delays the results behind it. Those accounts are looked up
/// meanwhile, and up to `sizeMax` results are buffered.
package struct ExportWindow {
    package enum Item: Sendable {
        case account(AccountID)
        case invalidLine(Int, String)
    }

    package typealias Outcome = Result<CacheEntry, BillingFailure>

    /// One attempt to look up the account at a position.
    package struct Attempt: Sendable {
        package let position: Int
        package let account: AccountID
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
        package let due: Moment
        package let reason: Reason
    }

    private struct Slot {
        let item: Item
        var outcome: Outcome?
        /// Set when the first attempt has failed.
        var retry: BulkRetry?
    }

    private let isOrdered: Bool
    private let attemptsMax: Int
    private let sizeMax: Int
    private let deadline: Duration

    /// In an ordered export, the account at a position is in the slot position modulo size; otherwise in any free slot.
    /// Doubles when full.
    private var slots: [Slot?]
    private var free: [Int]

    /// The position of the next result to write, in an ordered export, and of the next account to add.
    private var first = 0
    private var end = 0
    private var occupied = 0

    /// In an unordered export: slots with a result, in order of arrival.
    private var completed = RingQueue<Int>()

    /// Attempts in flight, and lookups that wait until the source accepts requests again.
    private var inFlight = 0

    /// Lookups whose back-off has ended.
    private var dueRetries = RingQueue<Int>()
    private var failureRate = FailureRate()

    package private(set) var contacts = 0
    package private(set) var failures = 0

    /// Lookups that wait because the rate limit left no permit for them.
    package private(set) var waitingForPermit = 0

    /// - Parameters:
    ///   - attemptsMax: The maximum number of attempts in flight.
    ///   - sizeMax: The maximum number of accounts in the window, not below `attemptsMax`.
    ///   - deadline: How long one account is retried.
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
    package var isEmpty: Bool { occupied == 0 }

    // MARK: Adding accounts

    /// Whether another item can be added.
    package var hasRoom: Bool { inFlight < attemptsMax && occupied < sizeMax }

    /// Adds an item. Requires `hasRoom`.
    ///
    /// - Returns: Its position.
    package mutating func add(_ item: Item) -> Int {
        if occupied == slots.count { grow() }
        let position = isOrdered ? end : free.removeLast()
        end += 1
        occupied += 1
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

    // MARK: Lookups

    /// Starts the first attempt for an account that was added.
    package mutating func begin(_ position: Int, _ account: AccountID) -> Attempt {
        inFlight += 1
        return Attempt(position: position, account: account, isRetry: false)
    }

    /// Starts the next attempt for an account whose back-off has ended; `nil` if there is none, or no room for it.
    package mutating func beginRetry() -> Attempt? {
        guard inFlight < attemptsMax, let position = dueRetries.popFirst(),
            let slot = slots[index(of: position)], case .account(let account) = slot.item
        else { return nil }
        inFlight += 1
        return Attempt(position: position, account: account, isRetry: slot.retry.map { $0.failures > 0 } ?? false)
    }

    /// Records the end of an attempt.
    ///
    /// - Returns: The retry to schedule; `nil` if the account now has its result.
    /// - Throws: A failure that affects more than one account.
    package mutating func ended(
        _ attempt: Attempt, startedAt started: Moment, _ outcome: Outcome, at now: Moment,
        using random: inout some RandomNumberGenerator
    ) throws(BillingFailure) -> Retry? {
        inFlight -= 1
        let position = attempt.position
        let isFirst = slots[index(of: position)]?.retry == nil
        guard case .failure(let failure) = outcome, failure.traits.reach != .account else {
            if isFirst { failureRate.firstAttempt(failed: false) }
            complete(position, with: outcome)
            return nil
        }
        if failure.traits.reach == .everything { throw failure }
        if isFirst { failureRate.firstAttempt(failed: true) }
        var retry = slots[index(of: position)]?.retry ?? BulkRetry(deadline: started + deadline)
        let decision = retry.decide(failure, failureRate: failureRate, at: now, using: &random)
        slots[index(of: position)]?.retry = retry
        switch decision {
        case .giveUp:
            complete(position, with: outcome)
            return nil
        case .retry(let moment):
            guard case .rateLimited = failure else { return Retry(position: position, due: moment, reason: .failure) }
            waitingForPermit += 1
            return Retry(position: position, due: moment, reason: .rateLimit)
        case .pause(let moment):
            inFlight += 1
            return Retry(position: position, due: moment, reason: .unavailable)
        }
    }

    /// Records that the back-off of a lookup has ended.
    package mutating func backOffEnded(_ retry: Retry) {
        switch retry.reason {
        case .failure: break
        case .rateLimit: waitingForPermit -= 1
        case .unavailable: inFlight -= 1
        }
        dueRetries.append(retry.position)
    }

    /// Records the result of an item.
    package mutating func complete(_ position: Int, with outcome: Outcome) {
        slots[index(of: position)]?.outcome = outcome
        if !isOrdered { completed.append(position) }
    }

    // MARK: Results

    /// Removes and returns the next result to write; `nil` if it is not available yet.
    package mutating func next() -> (item: Item, outcome: Outcome)? {
        let index: Int
        if isOrdered {
            index = first % slots.count
        } else {
            guard let arrived = completed.popFirst() else { return nil }
            index = arrived
        }
        guard let slot = slots[index], let outcome = slot.outcome else { return nil }
        slots[index] = nil
        if isOrdered { first += 1 } else { free.append(index) }
        occupied -= 1
        switch outcome {
        case .success(let entry) where entry.failure == nil: contacts += 1
        case .success, .failure: failures += 1
        }
        return (slot.item, outcome)
    }
}
