/// Exports the billing of all sub accounts of the caller's master account, or of the caller's allow-list, in ascending
/// order of account id. Chosen accounts are exported in the order in which they were chosen. An account has one event for
/// each requested kind of data, in the order of `ExportKind`.
///
/// Because of the order, the last event of every account is a checkpoint: an interrupted export resumes after the last
/// account of which all kinds were received. A bounded window of lookups is in flight at a time. While the consumer is
/// slow, no new lookups start (back-pressure). A lookup that fails temporarily is retried until its deadline, and the
/// accounts behind it are looked up meanwhile (`BulkRetry`).
package struct ExportBilling: Sendable {
    package enum Order: Sendable, Equatable {
        /// The order of the accounts, and of the kinds of each.
        case given
        /// The order in which the answers arrive. Lines are no checkpoints then.
        case arrival
    }

    package struct Options: Sendable, Equatable {
        /// At least one, each once, in the order of `ExportKind`.
        package var kinds = [ExportKind.contact]

        /// Only accounts after this one.
        package var after: AccountID?

        /// The maximum number of accounts.
        package var limit: Int?

        /// The maximum age of the account list and of each answer; `nil` for the defaults of the caches.
        package var maxAge: Duration?

        /// Further cache directives.
        package var directives = CacheDirectives.none
        package var order = Order.given
        package var filter = SubAccountFilter.all

        /// Only what has changed since this moment, in milliseconds since 1970. It is the `asOf` of an earlier export. Not with
        /// chosen accounts or in the order of arrival.
        package var changedSince: Int64?

        package init(after: AccountID? = nil) {
            self.after = after
        }
    }

    package struct Rules: Sendable, Equatable {
        /// Lookups in flight at a time, of each kind. Enough to hide the round-trip time to Zoom at its highest rate.
        package var windowMax = 64

        /// Accounts in the window, most of them with buffered answers, while one before them is retried. At 60 lookups
        /// a second they last for the deadline of a lookup. The answer with a contact is about 1 KiB.
        package var bufferedMax = 4096

        /// The size of the buffered answers above which only the oldest account is looked up. A list of invoices can have
        /// megabytes.
        package var bufferedBytesMax = 32 << 20

        /// How long one lookup is retried before the export reports its failure and continues. Longer if the rate
        /// limit leaves fewer attempts than the source's failure rate requires (`BulkRetry`).
        package var accountDeadline = Duration.seconds(60)

        /// The time without an event after which a heartbeat is sent.
        package var heartbeat = Duration.seconds(10)

        package init() {}
    }

    /// An event that the export sends to its consumer.
    package enum Event: Sendable {
        /// The first event. `accounts` is the number of accounts that follow; `nil` if unknown. `remaining` is the number
        /// of accounts beyond the limit, if it is known.
        ///
        /// A later export of the changes since `asOf`, in milliseconds since 1970, has everything that this export lacks, and
        /// those that continue it after its last account. `nil` if this export does not begin with the first account of the list.
        case begin(accounts: Int?, after: AccountID?, remaining: Int, asOf: Int64?)
        case answer(ExportKind, AccountID, CacheEntry)
        /// Cached answers for consecutive accounts. Some may be failures.
        case run(AnswerRun)
        case failure(ExportKind, AccountID, BillingFailure)
        /// The account has vanished from the list since `Options.changedSince`; and the time of the list.
        case gone(AccountID, Timestamp)
        /// A line of the chosen accounts is invalid.
        case malformed(line: Int, String)
        /// No event for a while. `done` is the number of accounts whose events were all sent. `accounts` is `nil` while
        /// the accounts are being listed, and if their number is unknown.
        case heartbeat(done: Int, accounts: Int?, waiting: Wait)
        /// The last event, after those of all accounts.
        case end(Summary)
    }

    /// The reason why an export is waiting.
    package enum Wait: Sendable, Equatable {
        case accountList
        case rateLimit
        case lookup
        /// Waits for the next chosen accounts.
        case input
    }

    package struct Summary: Sendable, Equatable {
        /// The number of answers that are no failures.
        package var answers = 0

        /// The number of failures and invalid lines.
        package var failures = 0

        /// The number of accounts beyond the limit, which were not exported.
        package var remaining = 0

        /// With `Options.changedSince`: the number of `gone` events.
        package var gone = 0

        /// With `Options.changedSince`: the number of answers that have not changed.
        package var unchanged = 0

        /// Everything that was received before this moment is in the export, in milliseconds since 1970. A later export of
        /// the changes since then has the rest. `nil` if this export has not all accounts of the list.
        package var asOf: Int64?
        package var elapsed = Duration.zero

        package init(answers: Int = 0, failures: Int = 0, remaining: Int = 0, elapsed: Duration = .zero) {
            self.answers = answers
            self.failures = failures
            self.remaining = remaining
            self.elapsed = elapsed
        }
    }

    /// Receives the events of an export, at its own speed.
    package protocol Consumer: Sendable {
        /// - Throws: `cancelled` if the reader is gone.
        func take(_ event: Event) async throws(BillingFailure)

        /// Passes on buffered events: no other event is ready.
        func flush() async throws(BillingFailure)
    }

    private let lists: AccountListCache
    private let cache: BillingCache
    private let source: any BillingSource
    private let time: any TimeSource
    private let rules: Rules
    private let moments: StreamMoments

    /// - Parameter source: The source behind the cache.
    package init(
        lists: AccountListCache, cache: BillingCache, source: any BillingSource, time: any TimeSource,
        rules: Rules = Rules(), moments: StreamMoments = StreamMoments()
    ) {
        self.moments = moments
        self.lists = lists
        self.cache = cache
        self.source = source
        self.time = time
        self.rules = rules
    }

    /// The name of this replica in the streams that it sends; `nil` if it is the only one.
    package var replica: String? { moments.replica }

    /// Checks that the caller may export, and returns the export to run. Errors of the request itself are thrown here,
    /// before any part of the answer is sent.
    ///
    /// - Parameter chosen: The accounts to export; `nil` for all accounts.
    /// - Throws: `scopeMissing`.
    package func callAsFunction(
        _ options: Options, of chosen: (any AccountFeed)? = nil, for caller: Caller
    ) throws(BillingFailure) -> Export {
        let scopes = [.billingExport] + options.kinds.compactMap(\.callerScope)
        for scope in scopes { try caller.require(scope) }
        return Export(
            exportBilling: self, options: options, chosen: chosen,
            caller: Caller(
                name: caller.name, scopes: Set(scopes), master: caller.master, accounts: caller.accounts,
                rate: caller.rate))
    }

    /// An export that the caller may run.
    package struct Export: Sendable {
        fileprivate let exportBilling: ExportBilling
        fileprivate let options: Options
        fileprivate let chosen: (any AccountFeed)?

        /// The accounts, if they are known already.
        fileprivate var accounts: Accounts?

        /// Whether `prepare` is necessary.
        package var needsPreparation: Bool { options.changedSince != nil && accounts == nil }

        /// Finds the accounts, which `run` does otherwise, and checks that all changes since `Options.changedSince` are
        /// recorded.
        ///
        /// - Throws: `changesUnknown`; the errors of a listing.
        package mutating func prepare() async throws(BillingFailure) {
            accounts = try await exportBilling.accounts(for: self)
        }

        /// The caller with only the scopes that this export needs.
        package let caller: Caller

        /// Runs the export. Only an export that returns without an error is complete.
        ///
        /// - Throws: `cancelled` when the task is cancelled or the consumer stops. Any failure that affects more than
        ///   one account, such as `credentialsRefused`.
        package func run(to consumer: some Consumer) async throws(BillingFailure) {
            try await exportBilling.run(self, to: consumer)
        }
    }

    /// The accounts of an export that are exported in the order of a list.
    fileprivate struct Accounts: Sendable {
        var list: AccountList

        /// The accounts that have vanished since `Options.changedSince`, after `Options.after`.
        var gone = AccountList([])
        var filter: ChangeFilter?

        /// The list of the master account; `nil` if it was not needed.
        var snapshot: AccountListSnapshot?
    }

    private func run(_ export: Export, to consumer: some Consumer) async throws(BillingFailure) {
        let result = await withTaskGroup(of: Step.self) { group -> Result<Void, BillingFailure> in
            // The children end at once when cancelled, so leaving the group does not wait for Zoom.
            defer { group.cancelAll() }
            do throws(BillingFailure) {
                var running = Running(exportBilling: self, export: export)
                defer { running.end() }
                try await running.run(to: consumer, in: &group)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    fileprivate enum Step: Sendable {
        case listed(Result<Accounts, BillingFailure>)
        case attempted(ExportWindow.Attempt, started: Moment, ExportWindow.Outcome)
        /// The back-off of a lookup has ended.
        case due(ExportWindow.Retry)
        case inputArrived
        /// The shared answers of these accounts of the list are in the cache.
        case sharedRead(Range<Int>)
        case heartbeatDue
    }

    /// An export in progress.
    private struct Running {
        let exportBilling: ExportBilling
        let export: Export
        let kinds: [ExportKind]
        let start: Moment
        var window: ExportWindow
        var random = SystemRandomNumberGenerator()
        var feed: (any AccountFeed)?
        var hasInputEnded = false
        var isWaitingForInput = false
        var sharedReads = SharedReads()
        var lastEvent: Moment

        /// Finds the changes that the export lacks, if it has all accounts of a list in order.
        let watch: ChangeWatch?
        var accounts: Accounts?

        /// The index of the next account of `accounts.gone`.
        var nextGone = 0
        var goneCount = 0

        init(exportBilling: ExportBilling, export: Export) {
            self.exportBilling = exportBilling
            self.export = export
            kinds = export.options.kinds
            start = exportBilling.time.now
            lastEvent = start
            let options = export.options
            let hasAllAccounts = export.chosen == nil && options.after == nil && options.limit == nil
            watch =
                hasAllAccounts && options.order == .given
                ? exportBilling.cache.watch(Set(kinds.map(\.operation)), under: export.caller.master) : nil
            let rules = exportBilling.rules
            window = ExportWindow(
                kinds: export.options.kinds.count,
                limits: .init(
                    attemptsMax: rules.windowMax, accountsMax: rules.bufferedMax, bytesMax: rules.bufferedBytesMax),
                deadline: rules.accountDeadline, isOrdered: export.options.order == .given)
        }

        func end() {
            if let watch { exportBilling.cache.end(watch) }
        }

        private var time: any TimeSource { exportBilling.time }
        private var rules: Rules { exportBilling.rules }

        mutating func run(
            to consumer: some Consumer, in group: inout TaskGroup<Step>
        ) async throws(BillingFailure) {
            if let chosen = export.chosen {
                try await begin(with: chosen, consumer)
            } else if export.options.order == .arrival {
                try await begin(with: exportBilling.arrivingAccounts(for: export), consumer)
            } else if let accounts = export.accounts {
                try await begin(with: accounts, consumer)
            } else {
                group.addTask { [exportBilling, export] in
                    do throws(BillingFailure) {
                        return .listed(.success(try await exportBilling.accounts(for: export)))
                    } catch {
                        return .listed(.failure(error))
                    }
                }
            }
            addHeartbeatTimer(to: &group)
            while true {
                try await advance(consumer, &group)
                if hasInputEnded, window.isEmpty {
                    var summary = Summary(
                        answers: window.answers, failures: window.failures, remaining: feed?.remaining ?? 0,
                        elapsed: time.now - start)
                    summary.gone = goneCount
                    summary.unchanged = window.unchanged
                    if watch != nil { summary.asOf = asOf }
                    try await consumer.take(.end(summary))
                    return try await consumer.flush()
                }
                try await consumer.flush()
                guard let step = await group.next() else { throw .cancelled }
                if Task.isCancelled { throw .cancelled }
                switch step {
                case .listed(let result):
                    try await begin(with: try result.get(), consumer)
                case .attempted(let attempt, let started, let outcome):
                    let retry = try window.ended(attempt, startedAt: started, outcome, at: time.now, using: &random)
                    if let retry {
                        group.addTask { [time] in
                            try? await time.sleep(until: retry.due)
                            return .due(retry)
                        }
                    }
                case .due(let retry): window.backOffEnded(retry)
                case .inputArrived: isWaitingForInput = false
                case .sharedRead(let accounts): sharedReads.ended(accounts)
                case .heartbeatDue:
                    if time.now - lastEvent >= rules.heartbeat {
                        try await consumer.take(
                            .heartbeat(done: window.done, accounts: feed?.count, waiting: waiting))
                        lastEvent = time.now
                    }
                    addHeartbeatTimer(to: &group)
                }
            }
        }

        private mutating func begin(with accounts: Accounts, _ consumer: some Consumer) async throws(BillingFailure) {
            self.accounts = accounts
            try await begin(
                with: AccountListFeed(accounts.list, after: export.options.after, limit: export.options.limit), consumer
            )
        }

        private mutating func begin(with feed: any AccountFeed, _ consumer: some Consumer) async throws(BillingFailure)
        {
            self.feed = feed
            let options = export.options
            let isFirstPart = export.chosen == nil && options.after == nil && options.order == .given
            try await consumer.take(
                .begin(
                    accounts: feed.count, after: options.after, remaining: feed.remaining,
                    asOf: isFirstPart ? asOf : nil))
            lastEvent = time.now
        }

        /// The moment up to which the export has everything of the accounts that it has read.
        private var asOf: Int64 {
            let now = exportBilling.cache.momentOfCompleteness
            var asOf = min(watch?.firstMissed ?? now, now)
            if let snapshot = accounts?.snapshot {
                asOf = min(
                    asOf,
                    exportBilling.lists.firstChange(after: snapshot, export.caller.master, export.options.filter) ?? now
                )
            }
            return exportBilling.moments.issued(asOf)
        }

        private var waiting: Wait {
            guard let feed else { return .accountList }
            if window.isEmpty { return feed.awaited }
            let isRateLimited = window.awaitedKinds.contains { kind in
                window.isWaitingForPermit(kind)
                    || exportBilling.source.hasQueuedRequests(
                        for: kinds[kind].operation, under: export.caller.master)
            }
            return isRateLimited ? .rateLimit : .lookup
        }

        private func addHeartbeatTimer(to group: inout TaskGroup<Step>) {
            group.addTask { [time, rules, lastEvent] in
                try? await time.sleep(until: lastEvent + rules.heartbeat)
                return .heartbeatDue
            }
        }

        private func start(_ attempt: ExportWindow.Attempt, _ group: inout TaskGroup<Step>) {
            group.addTask { [exportBilling, export, time] in
                let started = time.now
                return .attempted(attempt, started: started, await exportBilling.lookUp(attempt, for: export))
            }
        }

        /// Starts the attempts that are due, adds accounts while there is room, and sends the results that are ready. A
        /// cache hit needs neither a request to the source nor a task.
        private mutating func advance(
            _ consumer: some Consumer, _ group: inout TaskGroup<Step>
        ) async throws(BillingFailure) {
            try await sendResults(consumer)
            var now = time.now
            var added = 0
            while let attempt = window.beginAttempt() { start(attempt, &group) }
            while let feed, !hasInputEnded, !isWaitingForInput, !sharedReads.isAwaited, window.hasRoom {
                if let part = feed.upcoming {
                    try await add(part, of: feed, at: now, consumer, &group)
                    while let attempt = window.beginAttempt() { start(attempt, &group) }
                } else {
                    switch feed.next() {
                    case .account(let account):
                        add(account, at: now)
                        while let attempt = window.beginAttempt() { start(attempt, &group) }
                    case .malformed(let line, let problem): _ = window.add(.invalidLine(line, problem))
                    case .pending:
                        isWaitingForInput = true
                        group.addTask {
                            await feed.waitForMore()
                            return .inputArrived
                        }
                    case .end:
                        // Those after the last account of a limited export belong to the next one.
                        if feed.remaining == 0 { try await addGone(before: nil, consumer) }
                        hasInputEnded = true
                    case .failed(let failure): throw failure
                    }
                }
                try await sendResults(consumer)
                added += 1
                // With many cache hits in a row, this loop runs for a long time.
                if added.isMultiple(of: 64) {
                    if Task.isCancelled { throw .cancelled }
                    now = time.now
                }
            }
        }

        /// The most accounts whose answers are read from the cache at once. A page has no more.
        private static let runMax = 128

        /// Adds the first accounts of a part of a list: as many as one page of the cache has answers for, or else one, which
        /// is looked up. With several kinds, one account. First the answers of other replicas are read.
        private mutating func add(
            _ part: AccountListPart, of feed: any AccountFeed, at now: Moment, _ consumer: some Consumer,
            _ group: inout TaskGroup<Step>
        ) async throws(BillingFailure) {
            let first = part.list[part.start]
            try await addGone(before: first, consumer)
            let whole = part
            var part = part
            part.end = min(part.end, part.start + (kinds.count > 1 ? 1 : Self.runMax))
            if let gone = gone(at: nextGone) { part.end = min(part.end, part.list.index(after: gone)) }
            watch?.willRead(upTo: part.list[part.end - 1])
            var count = 1
            let found = kinds.map { exportBilling.run(of: $0, in: part, for: export, accounts?.filter, at: now) }
            if found.contains(where: { $0 == nil }), readsShared(from: whole, &group) { return }
            for kind in kinds.indices {
                switch found[kind] {
                case nil: lookUp(first, kind)
                case .unchanged(let unchanged)?:
                    count = unchanged
                    window.passUnchanged(unchanged)
                case .answers(let run)?:
                    count = run.count
                    if window.isEmpty || export.options.order == .arrival {
                        window.pass(run)
                        lastEvent = now
                        try await consumer.take(.run(run))
                    } else {
                        _ = window.add(.run(run))
                    }
                }
            }
            feed.skip(count)
        }

        /// Reads the shared answers of the next accounts.
        ///
        /// - Returns: Whether to wait for those of the first account.
        private mutating func readsShared(from part: AccountListPart, _ group: inout TaskGroup<Step>) -> Bool {
            let directives = exportBilling.directives(of: export)
            guard export.chosen == nil, export.options.order == .given, exportBilling.cache.hasShared(directives)
            else { return false }
            while let range = sharedReads.begin(from: part.start, end: part.end) {
                group.addTask { [cache = exportBilling.cache, kinds, master = export.caller.master] in
                    let accounts = range.map { part.list[$0] }
                    for kind in kinds {
                        await cache.readShared(of: kind, under: master, accounts, directives: directives)
                    }
                    return .sharedRead(range)
                }
            }
            return sharedReads.isAwaited
        }

        private mutating func lookUp(_ account: AccountID, _ kind: Int) {
            watch?.lookupBegan(kinds[kind].operation, of: account)
            window.lookUp(window.add(.record(account, kind: kind)), kind: kind)
        }

        /// Adds an account with all kinds.
        private mutating func add(_ account: AccountID, at now: Moment) {
            for kind in kinds.indices {
                do throws(BillingFailure) {
                    try export.caller.requireAccess(to: account)
                } catch {
                    window.complete(window.add(.record(account, kind: kind)), with: .failure(error))
                    continue
                }
                let part = AccountListPart(list: AccountList([account]), start: 0, end: 1)
                if case .answers(let run)? = exportBilling.run(of: kinds[kind], in: part, for: export, nil, at: now) {
                    _ = window.add(.run(run))
                } else {
                    lookUp(account, kind)
                }
            }
        }

        private func gone(at index: Int) -> AccountID? {
            guard let gone = accounts?.gone, index < gone.count else { return nil }
            return gone[index]
        }

        /// Adds the accounts that have vanished, up to an account; `nil` for all.
        private mutating func addGone(before account: AccountID?, _ consumer: some Consumer)
            async throws(BillingFailure)
        {
            guard let time = accounts?.snapshot?.asOf else { return }
            while let gone = gone(at: nextGone) {
                if let account, account < gone { return }
                nextGone += 1
                goneCount += 1
                if window.isEmpty {
                    try await consumer.take(.gone(gone, time))
                } else {
                    _ = window.add(.gone(gone, time))
                }
            }
        }

        private mutating func sendResults(_ consumer: some Consumer) async throws(BillingFailure) {
            var hasSent = false
            while let ready = window.next() {
                hasSent = true
                switch ready {
                case .invalidLine(let line, let problem): try await consumer.take(.malformed(line: line, problem))
                case .run(let run): try await consumer.take(.run(run))
                case .gone(let account, let time): try await consumer.take(.gone(account, time))
                case .record(let account, let kind, .failure(let failure)):
                    lookupFailed(account, kind)
                    try await consumer.take(.failure(kinds[kind], account, failure))
                case .record(let account, let kind, .success(let entry)):
                    lookupEnded(account, kind, entry)
                    if let filter = accounts?.filter, !filter.selects(account, firstSeen: entry.firstSeen) {
                        window.markUnchanged(entry)
                    } else if let failure = entry.failure {
                        try await consumer.take(.failure(kinds[kind], account, failure))
                    } else {
                        try await consumer.take(.answer(kinds[kind], account, entry))
                    }
                }
            }
            if hasSent { lastEvent = time.now }
        }

        private func lookupEnded(_ account: AccountID, _ kind: Int, _ entry: CacheEntry) {
            guard export.chosen == nil, export.options.order == .given else { return }
            watch?.lookupEnded(kinds[kind].operation, of: account, firstSeen: entry.firstSeen)
            let read = kinds[kind].read(of: account)
            let known = exportBilling.cache.firstSeen(of: read, under: export.caller.master)
            // An answer that was not cached. When the known content is received again, the reader has another one. So it
            // counts as received now: the moment of the `begin` event was earlier.
            if let known, known != entry.firstSeen { countAsChanged(read) }
        }

        private func countAsChanged(_ read: AccountRead) {
            if let moment = exportBilling.cache.countAsChanged(read, under: export.caller.master) {
                watch?.missed(moment)
            }
        }

        /// The export has no content of the account. The reader may never have had the content that is known, because an
        /// earlier lookup has failed too. So that content counts as received now.
        private func lookupFailed(_ account: AccountID, _ kind: Int) {
            guard export.chosen == nil, export.options.order == .given else { return }
            watch?.lookupEnded(kinds[kind].operation, of: account, firstSeen: nil)
            countAsChanged(kinds[kind].read(of: account))
        }
    }

    fileprivate func accounts(for export: Export) async throws(BillingFailure) -> Accounts {
        let (caller, options) = (export.caller, export.options)
        // A caller with an allow-list needs no listing, except to know which accounts have vanished.
        if let allowed = caller.accounts, options.changedSince == nil { return Accounts(list: allowed.accounts) }
        let snapshot = try await lists.snapshot(of: caller.master, options.filter, maxAge: listAgeMax(of: export))
        var accounts = Accounts(list: snapshot.list, snapshot: snapshot)
        if let allowed = caller.accounts { accounts.list = snapshot.list.intersection(allowed.accounts) }
        guard let since = options.changedSince else { return accounts }
        guard moments.isOwn(since) else { throw .changesUnknown(before: nil) }
        // A moment of another clock, or from before the clock was set back.
        let now = time.millisecondsSinceEpoch
        guard since <= now else { throw .changesUnknown(before: now) }
        do throws(AccountListHistory.Incomplete) {
            let difference = try snapshot.history.difference(since: since)
            accounts.filter = ChangeFilter(since: since, added: difference.added)
            accounts.gone = difference.removed
        } catch {
            throw .changesUnknown(before: error.completeSince)
        }
        if let allowed = caller.accounts { accounts.gone = accounts.gone.intersection(allowed.accounts) }
        if let after = options.after { accounts.gone = accounts.gone.suffix(after: after) }
        return accounts
    }

    private func arrivingAccounts(for export: Export) -> any AccountFeed {
        let (caller, options) = (export.caller, export.options)
        if let allowed = caller.accounts {
            return AccountListFeed(allowed.accounts, after: options.after, limit: options.limit)
        }
        return lists.arrivingAccounts(
            of: caller.master, options.filter, limit: options.limit, maxAge: listAgeMax(of: export))
    }

    /// The maximum age of the account list; `nil` for the default of the cache.
    private func listAgeMax(of export: Export) -> Duration? {
        export.options.directives.noCache ? .zero : directives(of: export).maxAge
    }

    private func directives(of export: Export) -> CacheDirectives {
        var directives = export.options.directives
        if let maxAge = export.options.maxAge { directives.maxAge = min(maxAge, directives.maxAge ?? maxAge) }
        return directives
    }

    /// Cached answers for the first accounts of a part of a list.
    private func run(
        of kind: ExportKind, in part: AccountListPart, for export: Export, _ filter: ChangeFilter?, at now: Moment
    ) -> AnswerPages.Found? {
        cache.run(
            of: kind, under: export.caller.master, in: part.list, part.start..<part.end,
            directives: directives(of: export), filter: filter, at: now)
    }

    private func lookUp(_ attempt: ExportWindow.Attempt, for export: Export) async -> ExportWindow.Outcome {
        do throws(BillingFailure) {
            return .success(
                try await cache.entry(
                    for: export.options.kinds[attempt.kind].read(of: attempt.account), under: export.caller.master,
                    for: .bulk(isRetry: attempt.isRetry), directives: directives(of: export)))
        } catch {
            return .failure(error)
        }
    }
}
