/// Exports the billing contacts of all sub accounts of the caller's master, or of those of them that are the caller's, in
/// ascending order of their ids; or of chosen accounts in the order they were chosen in.
///
/// Because of that order every line is a checkpoint: an export that broke off goes on after the last id received. A
/// bounded window of lookups is under way at a time; when the consumer does not take what is ready, no new ones start. A
/// lookup that fails for a passing reason is repeated until its deadline, and those behind it go on meanwhile (`BulkRetry`).
package struct ExportContacts: Sendable {
    package enum Order: Sendable, Equatable {
        /// That of the accounts.
        case given
        /// As the answers come: no line is a checkpoint then.
        case arrival
    }

    package struct Options: Sendable, Equatable {
        /// Only accounts after this one.
        package var after: AccountID?

        /// So many at most.
        package var limit: Int?

        /// The highest age of the list of accounts and of each answer; `nil` for what the caches allow.
        package var maxAge: Duration?

        /// What is demanded of cached answers besides.
        package var demand = CacheDirectives.none
        package var order = Order.given
        package var filter = SubAccountFilter.all

        package init(after: AccountID? = nil) {
            self.after = after
        }
    }

    package struct Rules: Sendable, Equatable {
        /// Lookups under way at a time. Enough to hide the way to Zoom and back at the highest rate it allows.
        package var windowMax = 64

        /// Accounts held at a time, most of them with their answer, while one before them is repeated. At 60 lookups a second
        /// they last for the deadline of an account; an answer is about 1 KiB.
        package var heldMax = 4096

        /// How long one account is tried before it becomes a failure and the export goes on without it; longer if the rate
        /// limit leaves fewer attempts than the source's failures make necessary (`BulkRetry`).
        package var accountDeadline = Duration.seconds(60)

        /// Silence after which a heartbeat says that the export is alive.
        package var heartbeat = Duration.seconds(10)

        package init() {}
    }

    /// What the export tells its consumer.
    package enum Event: Sendable {
        /// The accounts are known; so many follow. `nil` if nobody knows how many. `behind` are those that were not asked for.
        case begin(accounts: Int?, after: AccountID?, behind: Int)
        case contact(AccountID, CacheEntry)
        case failure(AccountID, BillingFailure)
        /// A line of what the accounts were chosen with is none.
        case malformed(line: Int, String)
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
        /// Whoever chooses the accounts.
        case input
    }

    package struct Summary: Sendable, Equatable {
        package var contacts = 0
        package var failures = 0

        /// How many accounts are behind the last one, which were not asked for.
        package var behind = 0
        package var elapsed = Duration.zero

        package init(contacts: Int = 0, failures: Int = 0, behind: Int = 0, elapsed: Duration = .zero) {
            self.contacts = contacts
            self.failures = failures
            self.behind = behind
            self.elapsed = elapsed
        }
    }

    /// Takes events, at its own pace.
    package protocol Consumer: Sendable {
        /// - Throws: `cancelled` if nobody reads any more.
        func take(_ event: Event) async throws(BillingFailure)

        /// Nothing else comes for now: what was taken is to be passed on.
        func flush() async throws(BillingFailure)
    }

    private let lists: AccountLists
    private let cache: BillingCache
    private let source: any ContactSource
    private let time: any TimeSource
    private let rules: Rules

    /// - Parameter source: What stands behind the cache.
    package init(
        lists: AccountLists, cache: BillingCache, source: any ContactSource, time: any TimeSource,
        rules: Rules = Rules()
    ) {
        self.lists = lists
        self.cache = cache
        self.source = source
        self.time = time
        self.rules = rules
    }

    /// What the caller may have, still to be run: whatever is wrong with the request itself is said before anything of
    /// the answer has left.
    ///
    /// - Parameter chosen: The accounts; without it those that there are.
    /// - Throws: `scopeMissing`.
    package func callAsFunction(
        _ options: Options, of chosen: (any AccountFeed)? = nil, for caller: Caller
    ) throws(BillingFailure) -> Export {
        try caller.require(.billingExport)
        return Export(contacts: self, options: options, chosen: chosen, caller: caller)
    }

    /// An export a caller may have.
    package struct Export: Sendable {
        fileprivate let contacts: ExportContacts
        fileprivate let options: Options
        fileprivate let chosen: (any AccountFeed)?
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
                var running = Running(contacts: self, export: export)
                try await running.run(to: consumer, in: &group)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    fileprivate enum Step: Sendable {
        case listed(Result<AccountList, BillingFailure>)
        case attempted(ExportWindow.Attempt, began: Moment, ExportWindow.Outcome)
        /// The back-off of a lookup is over.
        case due(ExportWindow.Repeat)
        case filled
        case silence
    }

    /// An export that runs.
    private struct Running {
        let contacts: ExportContacts
        let export: Export
        let start: Moment
        var window: ExportWindow
        var random = SystemRandomNumberGenerator()
        var feed: (any AccountFeed)?
        var isFeedOver = false
        var isFilling = false
        var behind = 0
        var lastEvent: Moment

        init(contacts: ExportContacts, export: Export) {
            self.contacts = contacts
            self.export = export
            start = contacts.time.now
            lastEvent = start
            window = ExportWindow(
                attemptsMax: contacts.rules.windowMax, sizeMax: contacts.rules.heldMax,
                deadline: contacts.rules.accountDeadline, isOrdered: export.options.order == .given)
        }

        private var time: any TimeSource { contacts.time }
        private var rules: Rules { contacts.rules }

        mutating func run(
            to consumer: some Consumer, in group: inout TaskGroup<Step>
        ) async throws(BillingFailure) {
            if let chosen = export.chosen {
                try await begin(with: chosen, consumer)
            } else {
                group.addTask { [contacts, export] in .listed(await contacts.accounts(for: export)) }
            }
            addSilence(to: &group)
            while true {
                try await advance(consumer, &group)
                if isFeedOver, window.isEmpty {
                    let summary = Summary(
                        contacts: window.contacts, failures: window.failures, behind: behind, elapsed: time.now - start)
                    try await consumer.take(.end(summary))
                    return try await consumer.flush()
                }
                try await consumer.flush()
                guard let step = await group.next() else { throw .cancelled }
                if Task.isCancelled { throw .cancelled }
                switch step {
                case .listed(let result):
                    let feed = ListFeed(try result.get(), after: export.options.after, limit: export.options.limit)
                    behind = feed.behind
                    try await begin(with: feed, consumer)
                case .attempted(let attempt, let began, let outcome):
                    let lookup = try window.ended(attempt, begun: began, outcome, at: time.now, using: &random)
                    if let lookup {
                        group.addTask { [time] in
                            try? await time.sleep(until: lookup.due)
                            return .due(lookup)
                        }
                    }
                case .due(let lookup): window.isDue(lookup)
                case .filled: isFilling = false
                case .silence:
                    if time.now - lastEvent >= rules.heartbeat {
                        try await consumer.take(
                            .heartbeat(done: window.done, accounts: feed?.count, waiting: waiting))
                        lastEvent = time.now
                    }
                    addSilence(to: &group)
                }
            }
        }

        private mutating func begin(with feed: any AccountFeed, _ consumer: some Consumer) async throws(BillingFailure)
        {
            self.feed = feed
            try await consumer.take(.begin(accounts: feed.count, after: export.options.after, behind: behind))
            lastEvent = time.now
        }

        private var waiting: Wait {
            guard feed != nil else { return .accountList }
            if window.isEmpty { return .input }
            let isRateLimited =
                window.waitingForBudget > 0 || contacts.source.hasQueuedRequests(under: export.caller.master)
            return isRateLimited ? .rateLimit : .lookup
        }

        private func addSilence(to group: inout TaskGroup<Step>) {
            group.addTask { [time, rules, lastEvent] in
                try? await time.sleep(until: lastEvent + rules.heartbeat)
                return .silence
            }
        }

        private func start(_ attempt: ExportWindow.Attempt, _ group: inout TaskGroup<Step>) {
            group.addTask { [contacts, export, time] in
                let began = time.now
                return .attempted(attempt, began: began, await contacts.lookUp(attempt, for: export))
            }
        }

        /// Repeats lookups whose back-off is over, takes in as many accounts as there is room for, and tells of those whose
        /// answer is there: cached answers without asking the source or starting a task.
        private mutating func advance(
            _ consumer: some Consumer, _ group: inout TaskGroup<Step>
        ) async throws(BillingFailure) {
            try await tell(consumer)
            var now = time.now
            var taken = 0
            while let attempt = window.beginRepeat() { start(attempt, &group) }
            while let feed, !isFeedOver, !isFilling, window.hasRoom {
                switch feed.next() {
                case .account(let account):
                    let position = window.add(.account(account))
                    if let outcome = contacts.cached(account, for: export, at: now) {
                        window.finished(position, outcome)
                    } else {
                        start(window.begin(position, account), &group)
                    }
                case .malformed(let line, let problem):
                    window.finished(window.add(.line(line, problem)), .failure(.invalid([])))
                case .notYet:
                    isFilling = true
                    group.addTask {
                        await feed.fill()
                        return .filled
                    }
                case .end: isFeedOver = true
                case .broken(let failure): throw failure
                }
                try await tell(consumer)
                taken += 1
                // Now and then: what is kept could be told of for a long time.
                if taken.isMultiple(of: 256) {
                    if Task.isCancelled { throw .cancelled }
                    now = time.now
                }
            }
        }

        private mutating func tell(_ consumer: some Consumer) async throws(BillingFailure) {
            var hasTold = false
            while let (item, outcome) = window.next() {
                hasTold = true
                switch (item, outcome) {
                case (.line(let line, let problem), _): try await consumer.take(.malformed(line: line, problem))
                case (.account(let account), .failure(let failure)):
                    try await consumer.take(.failure(account, failure))
                case (.account(let account), .success(let entry)):
                    if let failure = entry.failure {
                        try await consumer.take(.failure(account, failure))
                    } else {
                        try await consumer.take(.contact(account, entry))
                    }
                }
            }
            if hasTold { lastEvent = time.now }
        }
    }

    private func accounts(for export: Export) async -> Result<AccountList, BillingFailure> {
        // A caller's own accounts are known: no need to ask the directory.
        if let own = export.caller.accounts { return .success(own.accounts) }
        let maxAge = export.options.demand.noCache ? .zero : demand(of: export).maxAge
        do throws(BillingFailure) {
            return .success(
                try await lists.accounts(of: export.caller.master, export.options.filter, maxAge: maxAge))
        } catch {
            return .failure(error)
        }
    }

    private func demand(of export: Export) -> CacheDirectives {
        var demand = export.options.demand
        if let maxAge = export.options.maxAge { demand.maxAge = min(maxAge, demand.maxAge ?? maxAge) }
        return demand
    }

    /// What can be said of an account at once.
    private func cached(_ account: AccountID, for export: Export, at now: Moment) -> ExportWindow.Outcome? {
        do throws(BillingFailure) {
            try export.caller.requireAccess(to: account)
        } catch {
            return .failure(error)
        }
        return cache.cached(account, under: export.caller.master, demand(of: export), at: now).map { .success($0) }
    }

    private func lookUp(_ attempt: ExportWindow.Attempt, for export: Export) async -> ExportWindow.Outcome {
        do throws(BillingFailure) {
            return .success(
                try await cache.answer(
                    attempt.account, under: export.caller.master, for: .bulk(isRetry: attempt.isRetry),
                    demand(of: export)))
        } catch {
            return .failure(error)
        }
    }
}
