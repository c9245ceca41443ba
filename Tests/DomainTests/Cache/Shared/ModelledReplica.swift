import Domain
import DomainFakes
import Synchronization

/// One replica of `SharedAnswersModel`: its cache, its connection to the store, and what it must know.
final class ModelledReplica: Sendable {
    /// Versions that a replica must know, unless the store has lost its data since.
    private struct Known {
        var versions: [AccountID: Int] = [:]
        var dataLosses = 0
    }

    private struct State {
        var isKilled = false
        var failures = 0

        var lastFailure: Moment?
        var lastSuccess: Moment?

        /// After failures in a row, cached answers are served unchecked. The order of the ends of calls at one moment is unknown,
        /// so only a later success shows that they are checked.
        func isChecking(at now: Moment) -> Bool {
            guard let lastFailure else { return true }
            guard let lastSuccess, lastSuccess < now else { return false }
            return lastSuccess > lastFailure
        }
        var connection = 0
        var isLossNoticed = false

        /// When the last message arrives.
        var lastArrival = Moment(sinceOrigin: .zero)

        /// The versions after changes that this replica has made or has received.
        var delivered = Known()

        /// The versions that the store knew when this replica last connected.
        var connected = Known()

        /// The versions that the store knew when this replica noticed that its connection was lost. A later lookup may wait for a
        /// request that began since, before another change.
        var lost = Known()

        /// The versions after the changes of this replica that have ended.
        var ended: [AccountID: Int] = [:]
        var tasks: [Task<Void, Never>] = []
    }

    let number: Int
    let cache: BillingCache
    let exportBilling: ExportBilling
    private let model: SharedAnswersModel
    private let shared: FakeSharedStore.Replica
    private let lists: AccountListCache
    private let state = Mutex(State())

    init(_ number: Int, _ model: SharedAnswersModel, _ shared: FakeSharedStore.Replica) {
        self.number = number
        self.model = model
        self.shared = shared
        let source = ModelledSource(number: number, model: model)
        let store = UnreliableStore(shared, model)
        cache = BillingCache(
            source: source, time: model.time, rules: SharedAnswersModel.rules, codec: PlainCodec(), shared: store)
        lists = AccountListCache(directory: source, time: model.time)
        var rules = ExportBilling.Rules()
        rules.heartbeat = .seconds(10_000)
        exportBilling = ExportBilling(lists: lists, cache: cache, source: source, time: model.time, rules: rules)
        store.replica.withLock { $0 = self }
        listen()
        let task = Task { [cache] in await cache.shareChanges() }
        state.withLock { $0.tasks.append(task) }
    }

    var isKilled: Bool { state.withLock { $0.isKilled } }

    func kill() {
        state.withLock { $0.isKilled = true }
        shared.disconnect()
    }

    func stop() async {
        let tasks = state.withLock { state in
            defer { state.tasks = [] }
            return state.tasks
        }
        for task in tasks { task.cancel() }
        await cache.close()
        await lists.close()
    }

    // MARK: The subscription

    private func listen() {
        shared.listen { [self] event in
            switch event {
            case .connected: connected()
            case .lost: break
            case .changed(let change): arrives(change, model.publishing)
            }
        }
    }

    private func connected() {
        let (recorded, dataLosses) = (model.recorded, model.dataLosses)
        cache.received(.connected)
        state.withLock { state in
            state.isLossNoticed = false
            state.connected = Known(versions: recorded, dataLosses: dataLosses)
        }
    }

    private func arrives(_ change: SharedChange, _ version: Int?) {
        let dataLosses = model.dataLosses
        let milliseconds = model.chance(0...9) == 0 ? model.chance(0...500) : model.chance(0...2)
        let (connection, arrival) = state.withLock { state in
            // Messages of a connection arrive in order.
            let arrival = max(
                model.time.now + .milliseconds(milliseconds), state.lastArrival + .microseconds(1))
            state.lastArrival = arrival
            return (state.connection, arrival)
        }
        let task = Task { [self] in
            guard (try? await model.time.sleep(until: arrival)) != nil else { return }
            guard state.withLock({ $0.connection == connection && !$0.isKilled }) else { return }
            cache.received(.changed(change))
            // An answer from before the change could be stored again after the store has lost its data.
            if let version, dataLosses == model.dataLosses { delivered([change.account: version]) }
        }
        state.withLock { $0.tasks.append(task) }
    }

    func loseSubscription() async {
        state.withLock { $0.connection += 1 }
        shared.disconnect()
        let noticed = model.time.now + .milliseconds(model.chance(0...2000))
        guard (try? await model.time.sleep(until: noticed)) != nil, !isKilled else { return }
        let (recorded, dataLosses) = (model.recorded, model.dataLosses)
        cache.received(.lost)
        state.withLock { state in
            state.isLossNoticed = true
            state.lost = Known(versions: recorded, dataLosses: dataLosses)
        }
        let back = model.time.now + .milliseconds(model.chance(0...20_000))
        guard (try? await model.time.sleep(until: back)) != nil, !isKilled else { return }
        listen()
    }

    // MARK: What the replica must know

    func willEnd(_ account: AccountID, _ version: Int) { state.withLock { $0.ended[account] = version } }

    func lastEnded(_ account: AccountID) -> Int? { state.withLock { $0.ended[account] } }

    func delivered(_ versions: [AccountID: Int]) {
        let dataLosses = model.dataLosses
        state.withLock { state in
            if state.delivered.dataLosses != dataLosses { state.delivered = Known(dataLosses: dataLosses) }
            state.delivered.versions.merge(versions, uniquingKeysWith: max)
        }
    }

    /// The version that a read that begins now must show; the one that it must show if the store answers; and the calls of
    /// the store so far that have failed.
    func knowledge(of account: AccountID) -> (delivered: Int, checked: Int, failures: Int) {
        let (dataLosses, now) = (model.dataLosses, model.time.now)
        return state.withLock { state in
            func version(_ known: Known) -> Int {
                known.dataLosses == dataLosses ? known.versions[account, default: 0] : 0
            }
            var checked = version(state.connected)
            if state.isLossNoticed { checked = max(checked, version(state.lost)) }
            if !state.isChecking(at: now) { checked = 0 }
            return (version(state.delivered), checked, state.failures)
        }
    }

    func callEnded(isAnswered: Bool) {
        let now = model.time.now
        state.withLock { state in
            if isAnswered {
                state.lastSuccess = now
            } else {
                state.failures += 1
                state.lastFailure = now
            }
        }
    }
}

/// The source and the account list of a replica.
private struct ModelledSource: BillingSource, SubAccountDirectory {
    let number: Int
    let model: SharedAnswersModel

    func answer(
        to read: AccountRead, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> SourceAnswer {
        try await model.answer(read.account, number, purpose)
    }

    func hasQueuedRequests(for operation: Domain.Operation, under master: Name?) -> Bool { false }

    func page(
        of master: Name?, _ request: SubAccountPageRequest, for purpose: Purpose
    ) async throws(BillingFailure) -> SubAccountPage {
        let ids = SharedAnswersModel.accounts
        return SubAccountPage(ids: ids, next: nil, total: ids.count)
    }
}

/// The store as a replica calls it: requests and replies are lost and late.
private final class UnreliableStore: SharedAnswers {
    let replica = Mutex<ModelledReplica?>(nil)
    private let store: FakeSharedStore.Replica
    private let model: SharedAnswersModel

    init(_ store: FakeSharedStore.Replica, _ model: SharedAnswersModel) {
        self.store = store
        self.model = model
    }

    private func delay() -> Duration {
        if model.faults.lateCalls, model.chance(0...19) == 0 { return .milliseconds(model.chance(20...40_000)) }
        return .milliseconds(model.chance(0...9) == 0 ? model.chance(0...20) : model.chance(0...2))
    }

    private func call<Result: Sendable>(
        within limit: Duration, _ body: @escaping @Sendable () async throws(SharedAnswersFailure) -> Result
    ) async throws(SharedAnswersFailure) -> Result {
        let replica = replica.withLock { $0 }
        do throws(SharedAnswersFailure) {
            let result = try await send(within: limit, body)
            replica?.callEnded(isAnswered: true)
            return result
        } catch {
            if !Task.isCancelled { replica?.callEnded(isAnswered: false) }
            throw error
        }
    }

    private func send<Result: Sendable>(
        within limit: Duration, _ body: @escaping @Sendable () async throws(SharedAnswersFailure) -> Result
    ) async throws(SharedAnswersFailure) -> Result {
        let (request, reply) = (delay(), delay())
        let (isLost, isReplyLost) =
            model.faults.lostCalls ? (model.chance(0...9) == 0, model.chance(0...9) == 0) : (false, false)
        let now = model.time.now
        guard !isLost, !isReplyLost, request + reply <= limit else {
            if !isLost {
                // The store performs the call although its caller has given up.
                Task { [model] in
                    guard (try? await model.time.sleep(until: now + request)) != nil else { return }
                    _ = try? await body()
                }
            }
            try? await model.time.sleep(until: now + limit)
            throw SharedAnswersFailure()
        }
        try await sleep(request)
        let result = try await body()
        try await sleep(reply)
        return result
    }

    private func sleep(_ duration: Duration) async throws(SharedAnswersFailure) {
        guard (try? await model.time.sleep(until: model.time.now + duration)) != nil else {
            throw SharedAnswersFailure()
        }
    }

    func find(
        _ read: AccountRead, under master: Name?, _ wanted: WantedAnswer, within limit: Duration
    ) async throws(SharedAnswersFailure) -> SharedFinding {
        try await call(within: limit) { [store] () async throws(SharedAnswersFailure) in
            try await store.find(read, under: master, wanted, within: limit)
        }
    }

    func find(
        _ reads: [AccountRead], under master: Name?, within limit: Duration
    ) async throws(SharedAnswersFailure) -> [SharedAnswer?] {
        try await call(within: limit) { [store] () async throws(SharedAnswersFailure) in
            try await store.find(reads, under: master, within: limit)
        }
    }

    func put(
        _ answer: SharedAnswer, to read: AccountRead, under master: Name?, _ place: SharedPlace,
        timeToLive: Duration, within limit: Duration
    ) async throws(SharedAnswersFailure) {
        try await call(within: limit) { [store] () async throws(SharedAnswersFailure) in
            try await store.put(answer, to: read, under: master, place, timeToLive: timeToLive, within: limit)
        }
    }

    func release(
        _ read: AccountRead, under master: Name?, within limit: Duration
    ) async throws(SharedAnswersFailure) {
        try await call(within: limit) { [store] () async throws(SharedAnswersFailure) in
            try await store.release(read, under: master, within: limit)
        }
    }

    func record(_ change: SharedChange, within limit: Duration) async throws(SharedAnswersFailure) {
        let version = change.phase == .ended ? replica.withLock { $0 }?.lastEnded(change.account) : nil
        // Does not count as a call that has failed: the cache serves checked answers all the same.
        try await send(within: limit) { [store, model] () async throws(SharedAnswersFailure) in
            if let version { model.recorded(change.account, version) }
            try await model.publish(version) { () async throws(SharedAnswersFailure) in
                try await store.record(change, within: limit)
            }
        }
    }
}
