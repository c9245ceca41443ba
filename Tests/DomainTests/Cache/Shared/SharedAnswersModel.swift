import Domain
import DomainFakes
import Synchronization

/// Three replicas with a store of shared answers, whose calls and messages are lost, late and reordered. Reads, streams and changes
/// run at the same time.
///
/// The content of an account is a version that only grows.
final class SharedAnswersModel: Sendable {
    /// What goes wrong in a run.
    struct Faults {
        var lostCalls = false
        var lateCalls = false
        var lostSubscriptions = false
        var lostData = false
        var restarts = false

        /// Whether the callers change accounts, and ask past the cache.
        var changes = false

        /// In a run without faults, all reads have one priority. Otherwise a claim of a job does not hold up a caller.
        var areReadsUrgent: Bool?

        /// Nothing, in every fourth run.
        init(seed: UInt64) {
            guard !seed.isMultiple(of: 4) else {
                areReadsUrgent = seed.isMultiple(of: 8)
                return
            }
            var random = SeededRandom(seed: ~seed)
            func chance() -> Bool { Int.random(in: 0..<2, using: &random) == 0 }
            (lostCalls, lateCalls, lostSubscriptions) = (chance(), chance(), chance())
            (lostData, restarts, changes) = (Int.random(in: 0..<4, using: &random) == 0, chance(), true)
        }

        var isCalm: Bool { !changes }
    }

    struct Summary {
        var differences: [String] = []
        var reads = 0
        var lines = 0
        var calls = 0
        var hits = 0
        var writes = 0
    }

    private struct State {
        var random: SeededRandom
        var summary = Summary()
        var versions: [AccountID: Int] = [:]

        /// When each version was replaced.
        var replaced: [AccountID: [Moment]] = [:]
        var writing: Set<AccountID> = []
        var calls: [AccountID: [Call]] = [:]

        /// The versions after the changes that the store has recorded since it last lost its data.
        var recorded: [AccountID: Int] = [:]
        var dataLosses = 0
        var publishing: Int?
    }

    /// A call of the source.
    private struct Call {
        let replica: Int
        let isUrgent: Bool

        /// The replica has another call for the account at once, whose end may have ended the claim.
        var isDoubled: Bool
    }

    static let accounts = ["a", "b", "c"].map { AccountID(literal: $0) }
    private static let replicas = 3

    let faults: Faults
    let time: SimulatedClock
    private let store: FakeSharedStore
    private let state: Mutex<State>
    private let replicas: Mutex<[ModelledReplica]>

    /// The longest time of a call of the source: less than a claim lasts.
    private static let sourceTimeMax = 2000

    /// How much older a content may be than its answer says, because its call or a call of the store took long.
    private static let tolerance = Duration.seconds(5)

    static let rules: CacheRules = {
        var rules = CacheRules()
        rules.ttl = .seconds(60)
        rules.jitter = 0
        rules.staleWhileRevalidate = .seconds(20)
        rules.staleIfError = .seconds(100)
        return rules
    }()

    init(seed: UInt64, _ time: SimulatedClock) {
        faults = Faults(seed: seed)
        self.time = time
        store = FakeSharedStore(time: time)
        state = Mutex(State(random: SeededRandom(seed: seed)))
        replicas = Mutex([])
    }

    func chance(_ range: ClosedRange<Int>) -> Int { state.withLock { Int.random(in: range, using: &$0.random) } }

    private func sleep(milliseconds: Int) async throws(CancellationError) {
        try await time.sleep(until: time.now + .milliseconds(milliseconds))
    }

    private func differs(_ text: String) {
        state.withLock { $0.summary.differences.append("\(time.now.sinceOrigin): \(text)") }
    }

    // MARK: Runs

    /// - Parameter steps: How many reads, streams, changes and faults begin.
    func run(steps: Int) async -> Summary {
        await withTaskGroup(of: Void.self) { tasks in
            for number in 0..<Self.replicas {
                let replica = start(number)
                replicas.withLock { $0.append(replica) }
            }
            for _ in 0..<steps {
                try? await sleep(milliseconds: chance(0...5) == 0 ? chance(1000...30_000) : chance(0...200))
                let (number, account) = (chance(0...Self.replicas - 1), Self.accounts[chance(0...2)])
                let replica = replicas.withLock { $0[number] }
                switch chance(0...(faults.isCalm ? 12 : 20)) {
                case 0...9: tasks.addTask { await self.read(account, at: replica) }
                case 10 where faults.areReadsUrgent != true: tasks.addTask { await self.stream(at: replica) }
                case 11, 12: advance(account)
                case 13...17: tasks.addTask { await self.write(account, at: replica) }
                case 18 where faults.lostSubscriptions: tasks.addTask { await replica.loseSubscription() }
                case 19 where faults.lostData: loseData()
                case 20 where faults.restarts: await restart(number)
                case _: break
                }
            }
            await tasks.waitForAll()
        }
        let running = replicas.withLock { replicas in
            defer { replicas = [] }
            return replicas
        }
        for replica in running { await replica.stop() }
        return state.withLock { $0.summary }
    }

    private func start(_ number: Int) -> ModelledReplica {
        ModelledReplica(number, self, store.replica())
    }

    private func restart(_ number: Int) async {
        let old = replicas.withLock { $0[number] }
        old.kill()
        let new = start(number)
        replicas.withLock { $0[number] = new }
        await old.stop()
    }

    private func loseData() {
        store.clear()
        state.withLock { state in
            state.recorded = [:]
            state.dataLosses += 1
        }
    }

    // MARK: The source

    /// Changes the content of an account.
    @discardableResult
    private func advance(_ account: AccountID) -> Int {
        let now = time.now
        return state.withLock { state in
            state.replaced[account, default: []].append(now)
            state.versions[account, default: 0] += 1
            return state.versions[account, default: 0]
        }
    }

    private func version(of account: AccountID) -> Int { state.withLock { $0.versions[account, default: 0] } }

    /// Answers a read of a replica.
    func answer(_ account: AccountID, _ replica: Int, _ purpose: Purpose) async throws(BillingFailure) -> SourceAnswer {
        // As a client does: nothing is sent for a cancelled task.
        if Task.isCancelled { throw .cancelled }
        var call = Call(replica: replica, isUrgent: purpose.priority.isCallerWaiting, isDoubled: false)
        let others = state.withLock { state in
            state.summary.calls += 1
            var others = state.calls[account, default: []]
            for index in others.indices where others[index].replica == replica {
                (others[index].isDoubled, call.isDoubled) = (true, true)
            }
            state.calls[account] = others + [call]
            return others
        }
        defer {
            state.withLock { state in
                let index = state.calls[account]?.firstIndex { $0.replica == replica && $0.isUrgent == call.isUrgent }
                if let index { state.calls[account]?.remove(at: index) }
            }
        }
        if faults.isCalm,
            let other = others.first(where: {
                !$0.isDoubled && $0.replica != replica && ($0.isUrgent || !call.isUrgent)
            })
        {
            differs("replicas \(replica) and \(other.replica) ask for \(account) at once")
        }
        do throws(CancellationError) {
            let milliseconds = chance(0...3) == 0 ? chance(0...Self.sourceTimeMax) : chance(0...20)
            let before = chance(0...milliseconds)
            try await sleep(milliseconds: before)
            let version = version(of: account)
            try await sleep(milliseconds: milliseconds - before)
            return .document(SourceDocument(text: Array("\(version)".utf8)))
        } catch {
            throw .cancelled
        }
    }

    // MARK: Reads

    /// What a read may show, which depends on what happens during the read.
    private struct Expectation {
        let began: Moment
        let delivered: Int
        let checked: Int
        let current: Int
        let failures: Int
        let dataLosses: Int
    }

    private func expectation(_ account: AccountID, _ replica: ModelledReplica) -> Expectation {
        let (delivered, checked, failures) = replica.knowledge(of: account)
        return Expectation(
            began: time.now, delivered: delivered, checked: checked, current: version(of: account),
            failures: failures, dataLosses: state.withLock { $0.dataLosses })
    }

    private func check(
        _ version: Int, of account: AccountID, at replica: ModelledReplica, _ expected: Expectation,
        ageMax: Duration, isRevalidated: Bool
    ) {
        guard !replica.isKilled else { return }
        let (dataLosses, replaced) = state.withLock { state -> (Int, Moment?) in
            let replaced = state.replaced[account, default: []]
            return (state.dataLosses, version < replaced.count ? replaced[version] : nil)
        }
        if let replaced, replaced < expected.began - ageMax - Self.tolerance {
            differs(
                "replica \(replica.number) has version \(version) of \(account), replaced \(expected.began - replaced) ago"
            )
        }
        if isRevalidated, version < expected.current {
            differs("no-cache shows version \(version) of \(account), not \(expected.current)")
        }
        guard dataLosses == expected.dataLosses else { return }
        if version < expected.delivered {
            differs("replica \(replica.number) has version \(version) of \(account) after \(expected.delivered)")
        }
        // Without the store, cached answers are served unchecked.
        if replica.knowledge(of: account).failures == expected.failures, version < expected.checked {
            differs("replica \(replica.number) has unchecked version \(version) of \(account), not \(expected.checked)")
        }
    }

    private func read(_ account: AccountID, at replica: ModelledReplica) async {
        var directives = CacheDirectives.none
        var ageMax = Self.rules.ttl + Self.rules.staleWhileRevalidate
        switch chance(0...9) {
        case 0 where !faults.isCalm: (directives.noCache, ageMax) = (true, .zero)
        case 1 where !faults.isCalm:
            ageMax = .seconds(chance(0...70))
            directives.maxAge = ageMax
        case _: break
        }
        let isUrgent = faults.areReadsUrgent ?? (chance(0...2) > 0)
        let purpose = isUrgent ? Purpose.interactive : .bulk
        let expected = expectation(account, replica)
        let read = AccountRead.billingInformation(of: account)
        do throws(BillingFailure) {
            let cached = replica.cache.cached(read, under: nil, directives: directives, at: time.now)
            let entry: CacheEntry
            if let cached {
                entry = cached
            } else {
                entry = try await replica.cache.entry(for: read, under: nil, for: purpose, directives: directives)
            }
            state.withLock { state in
                state.summary.reads += 1
                if cached != nil { state.summary.hits += 1 }
            }
            let text = (entry.response as? PlainCodec.Response)?.text ?? ""
            check(
                Int(text) ?? -1, of: account, at: replica, expected, ageMax: ageMax, isRevalidated: directives.noCache)
        } catch {
            if !replica.isKilled { differs("a read failed: \(error)") }
        }
    }

    private func stream(at replica: ModelledReplica) async {
        let expected = Dictionary(uniqueKeysWithValues: Self.accounts.map { ($0, expectation($0, replica)) })
        let reader = StreamedLines { ($0 as? PlainCodec.Response)?.text ?? "" }
        do throws(BillingFailure) {
            try await replica.exportBilling(.init(), for: .everything).run(to: reader)
        } catch {
            if !replica.isKilled { differs("a stream failed: \(error)") }
            return
        }
        let lines = reader.lines
        if lines.map(\.account) != Self.accounts { differs("a stream has the accounts \(lines.map(\.account))") }
        state.withLock { $0.summary.lines += lines.count }
        for line in lines {
            guard let expected = expected[line.account] else { continue }
            check(
                Int(line.text) ?? -1, of: line.account, at: replica, expected,
                ageMax: Self.rules.ttl + Self.rules.staleWhileRevalidate, isRevalidated: false)
        }
    }

    // MARK: Changes

    private func write(_ account: AccountID, at replica: ModelledReplica) async {
        guard state.withLock({ $0.writing.insert(account).inserted }) else { return }
        defer { state.withLock { _ = $0.writing.remove(account) } }
        let operations: [Domain.Operation] = [.getBillingInformation]
        replica.cache.changeBegan(account, invalidating: operations)
        try? await sleep(milliseconds: chance(0...50))
        let version = advance(account)
        try? await sleep(milliseconds: chance(0...50))
        replica.willEnd(account, version)
        replica.cache.changeEnded(account, invalidating: operations)
        replica.delivered([account: version])
        await replica.cache.waitUntilChangesAreShared()
        state.withLock { $0.summary.writes += 1 }
    }

    /// Records that the store knows the changes of an account.
    func recorded(_ account: AccountID, _ version: Int) {
        state.withLock { $0.recorded[account] = max($0.recorded[account, default: 0], version) }
    }

    /// The versions after the changes that the store knows.
    var recorded: [AccountID: Int] { state.withLock { $0.recorded } }
    var dataLosses: Int { state.withLock { $0.dataLosses } }

    /// The version after the change that the store tells the replicas of now; `nil` if the change has only begun.
    var publishing: Int? { state.withLock { $0.publishing } }

    /// - Parameter body: Records a change. It does not wait.
    func publish(
        _ version: Int?, _ body: () async throws(SharedAnswersFailure) -> Void
    ) async throws(SharedAnswersFailure) {
        state.withLock { $0.publishing = version }
        try await body()
    }
}
