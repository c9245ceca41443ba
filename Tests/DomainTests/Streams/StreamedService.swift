import Domain
import DomainFakes
import Synchronization

/// The cache, the list and the exports of a service, with answers of chosen ages. The contents are plain text.
struct StreamedService: Sendable {
    let time: any TimeSource
    let pages: AnswerPages
    let cache: BillingCache
    let lists: AccountListCache
    let exportBilling: ExportBilling

    init(
        _ source: PermitSource, time: any TimeSource = TestClock(), _ rules: CacheRules = Self.rules,
        export exportRules: ExportBilling.Rules = .init()
    ) {
        self.init(source, directory: source, time: time, rules, export: exportRules)
    }

    init(
        _ source: any BillingSource, directory: any SubAccountDirectory, time: any TimeSource = TestClock(),
        _ rules: CacheRules = Self.rules, export exportRules: ExportBilling.Rules = .init()
    ) {
        self.time = time
        pages = AnswerPages(rules: rules, recordsChanges: true)
        cache = BillingCache(source: source, time: time, rules: rules, codec: PlainCodec(), pages: pages)
        lists = AccountListCache(directory: directory, time: time)
        exportBilling = ExportBilling(lists: lists, cache: cache, source: source, time: time, rules: exportRules)
    }

    /// The clock of a service that was created with a `TestClock`.
    var clock: TestClock {
        guard let clock = time as? TestClock else { preconditionFailure("the service has another clock") }
        return clock
    }

    /// Answers are fresh for a day, and served for an hour more while they are revalidated.
    static var rules: CacheRules {
        var rules = CacheRules()
        rules.ttl = .seconds(86_400)
        rules.jitter = 0
        rules.staleWhileRevalidate = .seconds(3600)
        return rules
    }

    /// The age of an answer that is stale by these rules.
    static let stale = Duration.seconds(86_400 + 60)

    /// Stores an answer.
    func store(_ account: AccountID, _ text: String = "old", age: Duration = .seconds(60)) {
        store(.billingInformation(of: account), text, receivedAt: time.now - age)
    }

    func store(_ read: AccountRead, _ text: String, receivedAt: Moment) {
        let encoded = PlainCodec().encode(
            .success(PermitSource.contact(text)), to: read, asOf: time.timestamp)
        guard let answer = NewAnswer(encoded, receivedAt: receivedAt, lifetime: .seconds(86_400)) else { return }
        _ = pages.put(answer, to: read, under: nil, now: time.millisecondsSinceEpoch)
    }

    /// Exports the contacts of all accounts.
    @discardableResult
    func export(
        _ options: ExportBilling.Options = .init(), to recorder: StreamRecorder = StreamRecorder()
    ) async throws -> StreamRecorder {
        try await exportBilling(options, for: .everything).run(to: recorder)
        return recorder
    }

    /// Returns when no request is in flight.
    func settle() async throws {
        while cache.isFetching {
            try Task.checkCancellation()
            await Task.yield()
        }
    }

    func close() async {
        await cache.close()
        await lists.close()
    }
}

/// Records the events of an export as text, with the first and the last account of each run. Can block the export at an event.
final class StreamRecorder: ExportBilling.Consumer {
    struct Line: Sendable, Equatable {
        let account: AccountID

        /// The content, or the failure.
        let text: String
    }

    struct State: Sendable {
        /// What was sent: `run a-c`, `line d`, `failure e`, `gone f`, `heartbeat`.
        var events: [String] = []
        var count = 0
        var first: AccountID?
        var last: AccountID?

        /// Whether each account sorts after the one before it.
        var isInOrder = true
        var lines: [Line] = []
        var begin: Int64?
        var end: ExportBilling.Summary?
    }

    private let state = Mutex(State())
    private let watchers = Mutex<[(count: Int, signal: Signal)]>([])
    private let recordsLines: Bool
    private let holdsAt: Int?
    private let holding = Signal()
    private let releasing = Signal()

    /// - Parameters:
    ///   - recordsLines: Whether the lines of runs are recorded, and not only their number.
    ///   - holdsAt: The number of recorded events with which the recorder blocks until `release`.
    init(recordsLines: Bool = true, holdsAt: Int? = nil) {
        self.recordsLines = recordsLines
        self.holdsAt = holdsAt
    }

    var value: State { state.withLock { $0 } }
    var events: [String] { value.events }
    var accounts: [AccountID] { value.lines.map(\.account) }

    func flush() async throws(BillingFailure) {}

    func take(_ event: ExportBilling.Event) async throws(BillingFailure) {
        switch event {
        case .begin(_, _, _, let asOf): state.withLock { $0.begin = asOf }
        case .answer(_, let account, let entry):
            let text = (entry.response as? PlainCodec.Response)?.text ?? ""
            await add("line \(account)", [Line(account: account, text: text)], account, account, 1)
        case .run(let run):
            let (first, last) = (run[0].account, run[run.count - 1].account)
            let lines = recordsLines ? (0..<run.count).map { Self.line(run[$0]) } : []
            await add(run.count == 1 ? "run \(first)" : "run \(first)-\(last)", lines, first, last, run.count)
        case .failure(_, let account, let failure):
            await add("failure \(account)", [Line(account: account, text: "\(failure)")], account, account, 1)
        case .gone(let account, _): await add("gone \(account)", [], account, account, 0)
        case .end(let summary): state.withLock { $0.end = summary }
        case .heartbeat: await add("heartbeat", [], nil, nil, 0)
        case .malformed: break
        }
    }

    private static func line(_ answer: AnswerRun.Answer) -> Line {
        Line(
            account: answer.account,
            text: answer.failure.map { "\($0)" } ?? String(decoding: answer.body, as: UTF8.self))
    }

    private func add(
        _ event: String, _ lines: [Line], _ first: AccountID?, _ last: AccountID?, _ count: Int
    ) async {
        let events = state.withLock { state in
            if let previous = state.last, let first, previous >= first { state.isInOrder = false }
            for (line, next) in zip(lines, lines.dropFirst()) where line.account >= next.account {
                state.isInOrder = false
            }
            state.events.append(event)
            state.lines += lines
            state.count += count
            if state.first == nil { state.first = first }
            state.last = last ?? state.last
            return state.events.count
        }
        for watcher in watchers.withLock({ $0 }) where watcher.count <= events { watcher.signal.fire() }
        if events == holdsAt {
            holding.fire()
            try? await releasing.wait()
        }
    }

    /// Returns when a number of events were recorded.
    func records(_ count: Int) async throws {
        let signal = Signal()
        watchers.withLock { $0.append((count, signal)) }
        if events.count >= count { signal.fire() }
        try await signal.wait()
    }

    func held() async throws { try await holding.wait() }
    func release() { releasing.fire() }
}
