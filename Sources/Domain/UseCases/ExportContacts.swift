import Synchronization

/// Exports the billing contacts of all sub accounts of the caller's master, or of those of them that are the caller's, in
/// ascending order of their ids.
///
/// Because of that order every line is a checkpoint: an export that broke off goes on after the last id received. A
/// bounded window of lookups is under way at a time; when the consumer does not take what is ready, no new ones start.
package struct ExportContacts: Sendable {
    package struct Options: Sendable, Equatable {
        /// Only accounts after this one.
        package var after: AccountID?

        package init(after: AccountID? = nil) {
            self.after = after
        }
    }

    package struct Rules: Sendable, Equatable {
        /// Lookups under way at a time. Enough to hide the way to Zoom and back at the highest rate it allows.
        package var windowMax = 64

        /// How long one account is tried before it becomes a failure and the export goes on without it; and how long the
        /// list of all of them is tried before the export fails.
        package var accountDeadline = Duration.seconds(60)

        /// The wait before a source that is not to be asked now is asked again, doubled each time.
        package var retryDelay = Duration.milliseconds(500)

        /// Silence after which a heartbeat says that the export is alive.
        package var heartbeat = Duration.seconds(10)

        package init() {}
    }

    /// What the export tells its consumer.
    package enum Event: Sendable, Equatable {
        /// The accounts are known; so many follow.
        case begin(accounts: Int, after: AccountID?)
        case contact(AccountID, DatedContact)
        case failure(AccountID, BillingFailure)
        /// Nothing new for a while. `accounts` is `nil` while they are still being listed.
        case heartbeat(done: Int, accounts: Int?, waiting: Wait)
        /// Every account has been told of.
        case end(Summary)
    }

    /// What an export is waiting for.
    package enum Wait: Sendable, Equatable {
        case accountList
        case rateLimit
        case lookup
    }

    package struct Summary: Sendable, Equatable {
        package var contacts = 0
        package var failures = 0
        package var elapsed = Duration.zero

        package init(contacts: Int = 0, failures: Int = 0, elapsed: Duration = .zero) {
            self.contacts = contacts
            self.failures = failures
            self.elapsed = elapsed
        }
    }

    /// Takes events, at its own pace.
    package protocol Consumer: Sendable {
        /// - Throws: `cancelled` if nobody reads any more.
        func take(_ event: Event) async throws(BillingFailure)
    }

    private let directory: any SubAccountDirectory
    private let source: any ContactSource
    private let time: any TimeSource
    private let rules: Rules

    package init(
        directory: any SubAccountDirectory, source: any ContactSource, time: any TimeSource, rules: Rules = Rules()
    ) {
        self.directory = directory
        self.source = source
        self.time = time
        self.rules = rules
    }

    /// What the caller may have, still to be run: whatever is wrong with the request itself is said before anything of
    /// the answer has left.
    ///
    /// - Throws: `scopeMissing`.
    package func callAsFunction(_ options: Options, for caller: Caller) throws(BillingFailure) -> Export {
        try caller.require(.billingExport)
        return Export(contacts: self, options: options, caller: caller)
    }

    /// An export a caller may have.
    package struct Export: Sendable {
        fileprivate let contacts: ExportContacts
        fileprivate let options: Options
        fileprivate let caller: Caller

        /// Runs to the end, or as far as it gets: only an export that returns was complete.
        ///
        /// - Throws: `cancelled` when the task is cancelled or the consumer gives up; and whatever reaches further than
        ///   one account, such as `credentialsRefused`.
        package func run(to consumer: some Consumer) async throws(BillingFailure) {
            try await contacts.run(self, to: consumer)
        }
    }

    private func run(_ export: Export, to consumer: some Consumer) async throws(BillingFailure) {
        let result = await withTaskGroup(of: Step.self) { group -> Result<Void, BillingFailure> in
            // The children end at once when cancelled, so leaving the group does not wait for Zoom.
            defer { group.cancelAll() }
            do throws(BillingFailure) {
                try await run(export, consumer, in: &group)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    private enum Step: Sendable {
        case listed(Result<[AccountID], BillingFailure>)
        case lookedUp(position: Int, Result<DatedContact, BillingFailure>)
        case silence
    }

    private func run(
        _ export: Export, _ consumer: some Consumer, in group: inout TaskGroup<Step>
    ) async throws(BillingFailure) {
        let (options, caller) = (export.options, export.caller)
        let start = time.now
        let budgetWaiters = BudgetWaiters()
        var window: Window?
        var lastEvent = start

        // Sorting a million ids takes its time: not on the thread that also answers everybody else.
        group.addTask(executorPreference: globalConcurrentExecutor) {
            .listed(await self.orderedAccounts(of: caller, after: options.after, budgetWaiters))
        }
        addSilence(after: lastEvent, to: &group)

        while let step = await group.next() {
            if Task.isCancelled { throw .cancelled }
            switch step {
            case .listed(let result):
                let accounts = try result.get()
                window = Window(accounts: accounts, size: rules.windowMax)
                try await consumer.take(.begin(accounts: accounts.count, after: options.after))
                lastEvent = time.now
            case .lookedUp(let position, let result):
                if case .failure(let failure) = result, failure.reach == .everything { throw failure }
                window?.finished(position, result)
            case .silence:
                if time.now - lastEvent >= rules.heartbeat {
                    let wait: Wait = window == nil ? .accountList : budgetWaiters.isEmpty ? .lookup : .rateLimit
                    try await consumer.take(
                        .heartbeat(done: window?.done ?? 0, accounts: window?.accounts.count, waiting: wait))
                    lastEvent = time.now
                }
                addSilence(after: lastEvent, to: &group)
            }

            while let (account, result) = window?.next() {
                switch result {
                case .success(let contact): try await consumer.take(.contact(account, contact))
                case .failure(let failure): try await consumer.take(.failure(account, failure))
                }
                lastEvent = time.now
            }
            if let window, window.isDone {
                let summary = Summary(
                    contacts: window.contacts, failures: window.failures, elapsed: time.now - start)
                return try await consumer.take(.end(summary))
            }
            while let (position, account) = window?.start() {
                group.addTask { .lookedUp(position: position, await self.lookUp(account, for: caller, budgetWaiters)) }
            }
        }
    }

    private func addSilence(after lastEvent: Moment, to group: inout TaskGroup<Step>) {
        group.addTask { [time, rules] in
            try? await time.sleep(until: lastEvent + rules.heartbeat)
            return .silence
        }
    }

    private func orderedAccounts(
        of caller: Caller, after: AccountID?, _ budgetWaiters: BudgetWaiters
    ) async -> Result<[AccountID], BillingFailure> {
        await persisting(budgetWaiters) { () async throws(BillingFailure) in
            // Whoever may have some of them has named them: the directory, which holds all, need not be asked.
            var accounts =
                if let own = caller.accounts { Array(own) } else {
                    try await directory.subAccounts(of: caller.master)
                }
            accounts.sort()
            var last = after
            accounts.removeAll { account in
                // Neither what was received before nor what the directory names twice.
                if let last, account <= last { return true }
                last = account
                return false
            }
            return accounts
        }
    }

    private func lookUp(
        _ account: AccountID, for caller: Caller, _ budgetWaiters: BudgetWaiters
    ) async -> Result<DatedContact, BillingFailure> {
        await persisting(budgetWaiters) { () async throws(BillingFailure) in
            try caller.requireAccess(to: account)
            let billing = try await source.billing(
                of: account, under: caller.master, for: .bulk(patience: rules.accountDeadline))
            return DatedContact(contact: try billing.visibleContact(), asOf: time.timestamp)
        }
    }

    /// Asks again while the source is not to be asked yet, at growing distances, as long as the deadline allows. What has
    /// failed when it was asked has been tried again by the source.
    private func persisting<Value: Sendable>(
        _ budgetWaiters: BudgetWaiters, _ attempt: () async throws(BillingFailure) -> Value
    ) async -> Result<Value, BillingFailure> {
        let deadline = time.now + rules.accountDeadline
        var delay = rules.retryDelay
        while true {
            do throws(BillingFailure) {
                return .success(try await attempt())
            } catch {
                let pause: Duration
                var isBudget = false
                switch error {
                case .budgetSpent(let retryAfter):
                    pause = max(delay, retryAfter)
                    isBudget = true
                case .sourceUnavailable(let retryAfter): pause = max(delay, retryAfter)
                case .invalid, .selfPay, .accountNotFound, .scopeMissing, .dayBudgetSpent, .credentialsRefused,
                    .permissionMissing, .sourceFailed, .timedOut, .notKept, .cancelled:
                    return .failure(error)
                }
                let next = time.now + pause
                guard next < deadline else { return .failure(error) }
                if isBudget { budgetWaiters.enter() }
                defer { if isBudget { budgetWaiters.leave() } }
                do {
                    try await time.sleep(until: next)
                } catch {
                    return .failure(.cancelled)
                }
                delay *= 2
            }
        }
    }
}

/// How many lookups of an export wait for the source's budget.
private final class BudgetWaiters: Sendable {
    private let count = Atomic<Int>(0)

    var isEmpty: Bool { count.load(ordering: .relaxed) == 0 }
    func enter() { count.add(1, ordering: .relaxed) }
    func leave() { count.subtract(1, ordering: .relaxed) }
}

/// The accounts of an export and how far it has come with them: which lookup starts next, which result is told next.
private struct Window {
    let accounts: [AccountID]
    private(set) var done = 0
    private(set) var contacts = 0
    private(set) var failures = 0
    private var started = 0

    /// Results that wait for those before them, each at its position modulo the size.
    private var results: [Result<DatedContact, BillingFailure>?]

    init(accounts: [AccountID], size: Int) {
        self.accounts = accounts
        results = Array(repeating: nil, count: size)
    }

    var isDone: Bool { done == accounts.count }

    /// The next lookup, while there is room in the window.
    mutating func start() -> (position: Int, account: AccountID)? {
        guard started < accounts.count, started - done < results.count else { return nil }
        defer { started += 1 }
        return (started, accounts[started])
    }

    mutating func finished(_ position: Int, _ result: Result<DatedContact, BillingFailure>) {
        results[position % results.count] = result
    }

    /// The next result in order, if it is there.
    mutating func next() -> (AccountID, Result<DatedContact, BillingFailure>)? {
        let slot = done % results.count
        guard done < accounts.count, let result = results[slot] else { return nil }
        results[slot] = nil
        defer { done += 1 }
        switch result {
        case .success: contacts += 1
        case .failure: failures += 1
        }
        return (accounts[done], result)
    }
}
