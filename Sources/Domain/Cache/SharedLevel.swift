import Synchronization

/// The answers that replicas share, as the cache of one replica uses them: with short time limits, and a pause after failures.
final class SharedLevel: Sendable {
    private struct State {
        /// Failures in a row.
        var failures = 0

        /// Until then the store is not asked; `nil` if it answers.
        var pausedUntil: Moment?
        var hasConnection = false
        var epoch = AnswerEpoch.first
        var check = EpochCheck.all
        var counts = BillingCache.SharedCounts()
    }

    /// Limits of one call of the store.
    private var lookupTime: Duration { rules.sharedLookupTimeMax }
    private var batchTime: Duration { rules.sharedLookupTimeMax * 10 }

    /// How long the answer to a change waits until other replicas know of the change.
    private static let toldTimeMax = Duration.milliseconds(100)

    private static let failuresMax = 3
    private static let pause = Duration.seconds(5)

    /// How long to wait for the answer to another replica's request.
    private static let waitMax = Duration.seconds(3)
    private static let jobWaitMax = Duration.seconds(10)
    private static let firstPoll = Duration.milliseconds(20)
    private static let pollMax = Duration.milliseconds(250)

    private let answers: any SharedAnswers
    private let time: any TimeSource
    private let rules: CacheRules
    private let prepared: PreparedAnswers
    private let changes: PendingChanges
    private let state = Mutex(State())

    /// - Parameter prepared: The answers that are served unchecked.
    init(_ answers: any SharedAnswers, time: any TimeSource, rules: CacheRules, _ prepared: PreparedAnswers) {
        self.answers = answers
        self.prepared = prepared
        self.time = time
        self.rules = rules
        changes = PendingChanges(answers, time: time)
    }

    // MARK: Availability

    /// Which cached answers may be served without a look at the shared ones.
    var check: EpochCheck { state.withLock { $0.check } }

    /// The epoch of an answer that is stored now.
    var epoch: AnswerEpoch { state.withLock { $0.hasConnection ? $0.epoch : .unchecked } }

    var counts: BillingCache.SharedCounts { state.withLock { $0.counts } }

    /// While the store does not answer, cached answers are served as without it. While it answers and changes may be missed, none
    /// is served unchecked.
    private func update<Result>(_ body: (inout State) -> Result) -> Result {
        let (result, isStricter) = state.withLock { state in
            let result = body(&state)
            let check: EpochCheck =
                if state.pausedUntil != nil {
                    .none
                } else if state.hasConnection {
                    EpochCheck(state.epoch)
                } else {
                    .all
                }
            defer { state.check = check }
            return (result, check != state.check && check != .none)
        }
        if isStricter { prepared.removeAll() }
        return result
    }

    /// - Returns: Whether the epochs are used up, so that all cached answers must be removed.
    func connected() -> Bool {
        update { state in
            state.hasConnection = true
            state.failures = 0
            state.pausedUntil = nil
            let next = state.epoch.next
            state.epoch = next ?? .first
            return next == nil
        }
    }

    func lost() {
        update { $0.hasConnection = false }
    }

    /// Whether the store may be called now: not during a pause, except once in each.
    private func mayAsk() -> Bool {
        let now = time.now
        return state.withLock { state in
            guard let end = state.pausedUntil else { return true }
            guard now >= end else { return false }
            state.pausedUntil = now + Self.pause
            return true
        }
    }

    private func ended(_ isAnswered: Bool) {
        let now = time.now
        update { state in
            if isAnswered {
                state.failures = 0
                state.pausedUntil = nil
            } else {
                state.counts.failed += 1
                state.failures += 1
                if state.failures >= Self.failuresMax { state.pausedUntil = now + Self.pause }
            }
        }
    }

    private func count(_ result: WritableKeyPath<BillingCache.SharedCounts, Int>, _ number: Int = 1) {
        state.withLock { $0.counts[keyPath: result] += number }
    }

    // MARK: Lookups

    /// The answer to a read, or what the store knows of its changes; `nil` if the store has not answered. Waits while another
    /// replica asks the source.
    func find(_ read: AccountRead, under master: Name?, _ wanted: WantedAnswer, for purpose: Purpose) async
        -> SharedFinding?
    {
        guard !isChanging(read.account) else { return .absent(.changing) }
        let end = time.now + (purpose.priority.isCallerWaiting ? Self.waitMax : Self.jobWaitMax)
        var poll = Self.firstPoll
        var isFirst = true
        while true {
            guard mayAsk() else {
                count(\.skipped)
                return nil
            }
            let finding: SharedFinding
            do throws(SharedAnswersFailure) {
                finding = try await answers.find(read, under: master, wanted, within: lookupTime)
            } catch {
                // A cancelled task says nothing of the store.
                if !Task.isCancelled { ended(false) }
                return nil
            }
            ended(true)
            switch finding {
            case .answer:
                count(\.hits)
                return finding
            case .absent:
                count(\.misses)
                return finding
            case .claimed(let place):
                if isFirst { count(\.waits) }
                isFirst = false
                guard time.now < end else {
                    count(\.expired)
                    return .absent(place)
                }
            }
            do throws(CancellationError) {
                try await time.sleep(until: min(time.now + poll, end))
            } catch {
                return nil
            }
            poll = min(poll * 2, Self.pollMax)
        }
    }

    /// The claim with which a replica asks the source.
    static func claim(_ purpose: Purpose) -> WantedAnswer.Claim {
        WantedAnswer.Claim(
            lifetime: purpose.priority.isCallerWaiting ? waitMax : jobWaitMax,
            isUrgent: purpose.priority.isCallerWaiting)
    }

    /// Counts a request to the source that took longer than its claim.
    func countIfExpired(_ purpose: Purpose, since foundAt: Moment) {
        if time.now - foundAt >= Self.claim(purpose).lifetime { count(\.expired) }
    }

    /// The answers to reads of one operation, at most 256; `nil` if the store has not answered.
    func find(_ reads: [AccountRead], under master: Name?) async -> [SharedAnswer?]? {
        guard mayAsk() else {
            count(\.skipped, reads.count)
            return nil
        }
        do throws(SharedAnswersFailure) {
            let found = try await answers.find(reads, under: master, within: batchTime)
            ended(true)
            let hits = found.count { $0 != nil }
            count(\.hits, hits)
            count(\.misses, reads.count - hits)
            return found
        } catch {
            if !Task.isCancelled { ended(false) }
            return nil
        }
    }

    // MARK: Storing

    /// - Parameter foundAt: When this replica received the place.
    func put(
        _ answer: NewAnswer, to read: AccountRead, under master: Name?, _ place: SharedPlace, foundAt: Moment
    ) async {
        let age = max(time.now - answer.receivedAt, .zero)
        let staleTime = max(rules.staleIfError, rules.staleWhileRevalidate)
        guard !place.isChanging, !isChanging(read.account) else {
            return await release(read, under: master)
        }
        guard mayAsk() else { return }
        do throws(SharedAnswersFailure) {
            try await answers.put(
                SharedAnswer(
                    answer.encoded, answer.content, age: foundAt - answer.receivedAt,
                    lifetime: answer.lifetime),
                to: read, under: master, place, timeToLive: answer.lifetime + staleTime - age, within: lookupTime)
            ended(true)
        } catch {
            if !Task.isCancelled { ended(false) }
        }
    }

    /// Ends the claim of a read whose answer cannot be shared.
    func release(_ read: AccountRead, under master: Name?) async {
        guard mayAsk() else { return }
        do throws(SharedAnswersFailure) {
            try await answers.release(read, under: master, within: lookupTime)
            ended(true)
        } catch {
            if !Task.isCancelled { ended(false) }
        }
    }

    // MARK: Changes

    /// Whether the store does not know a change of this replica yet.
    func isChanging(_ account: AccountID) -> Bool { changes.contains(account) }

    /// Removes the shared answers as soon as the store answers.
    func changed(_ change: SharedChange) {
        guard !change.operations.isEmpty else { return }
        changes.add(change)
    }

    /// Waits a short time until other replicas do not serve the answers that changes have made wrong. Does not wait for a store
    /// that does not answer.
    func waitUntilTold() async { await changes.waitUntilRecorded(within: Self.toldTimeMax, endsAtFailure: true) }

    /// Waits until the store knows all changes, at most for a limit.
    func waitUntilTold(within limit: Duration) async {
        await changes.waitUntilRecorded(within: limit, endsAtFailure: false)
    }

    /// Tells the store of changes, until the task is cancelled.
    func run() async { await changes.run() }
}

extension SharedPlace {
    /// Of an account that this replica is changing: the store does not know that yet.
    fileprivate static let changing = SharedPlace(version: [], sinceChange: nil, isChanging: true, time: 0)
}
