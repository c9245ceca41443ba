import Domain
import DomainFakes
import Synchronization
import Testing

/// A table that a reader maintains by streams of changes.
private struct Table {
    struct Row: Hashable {
        let kind: ExportKind
        let account: AccountID
    }

    var rows: [Row: String] = [:]

    /// The last account of the stream, and the one before it, of which all kinds have arrived.
    var last: AccountID?
    var complete: AccountID?

    mutating func add(_ account: AccountID) {
        #expect(last.map { $0 <= account } ?? true, "the lines are in ascending order")
        if account != last { (complete, last) = (last, account) }
    }

    mutating func put(_ kind: ExportKind, _ account: AccountID, _ text: String, _ failure: BillingFailure?) {
        add(account)
        let row = Row(kind: kind, account: account)
        switch failure {
        case nil: rows[row] = text
        case .selfPay?: rows[row] = "self pay"
        case .accountNotFound?: rows[row] = nil
        // Says nothing about the content.
        case .sourceFailed?: break
        case .some(let failure): Issue.record("\(failure) was not expected")
        }
    }
}

/// Applies the events of streams to a table.
private final class TableReader: ExportBilling.Consumer {
    struct State {
        var table = Table()
        /// The moment of each `begin` event.
        var moments: [Int64?] = []
        var end: ExportBilling.Summary?
        var gone = 0
        var events = 0
    }

    let state: Mutex<State>
    private let interruptsAt: Int?
    private let onEvent: @Sendable () async -> Void

    init(_ table: Table, interruptsAt: Int? = nil, onEvent: @escaping @Sendable () async -> Void = {}) {
        state = Mutex(State(table: table))
        self.interruptsAt = interruptsAt
        self.onEvent = onEvent
    }

    func flush() async throws(BillingFailure) {}

    func take(_ event: ExportBilling.Event) async throws(BillingFailure) {
        let isInterrupted = state.withLock { state in
            state.events += 1
            if state.events == interruptsAt { return true }
            apply(event, &state)
            return false
        }
        if isInterrupted { throw .cancelled }
        await onEvent()
    }

    private func apply(_ event: ExportBilling.Event, _ state: inout State) {
        switch event {
        case .begin(_, _, _, let asOf): state.moments.append(asOf)
        case .answer(let kind, let account, let entry):
            let text = (entry.response as? PlainCodec.Response)?.text ?? ""
            state.table.put(kind, account, text, nil)
        case .run(let run):
            for index in 0..<run.count {
                let answer = run[index]
                state.table.put(
                    run.kind, answer.account, String(decoding: answer.body, as: UTF8.self), answer.failure)
            }
        case .failure(let kind, let account, let failure): state.table.put(kind, account, "", failure)
        case .gone(let account, _):
            state.table.add(account)
            state.gone += 1
            state.table.rows = state.table.rows.filter { $0.key.account != account }
        case .end(let summary): state.end = summary
        case .heartbeat, .malformed: Issue.record("\(event) was not expected")
        }
    }
}

/// The cache, the lists and the exports of a service, with accounts that change.
private final class ChangingService: Sendable {
    let time = SteppingClock()
    let accounts: ChangingAccounts
    let cache: BillingCache
    let lists: AccountListCache
    let exportBilling: ExportBilling
    private let random: Mutex<SeededRandom>

    init(accounts count: Int, seed: UInt64, bytesMax: Int) {
        random = Mutex(SeededRandom(seed: seed))
        accounts = ChangingAccounts(count, seed: seed &+ 1, time: time)
        var rules = CacheRules()
        rules.ttl = .seconds(60)
        rules.staleWhileRevalidate = .seconds(60)
        rules.staleIfError = .seconds(180)
        rules.bytesMax = bytesMax
        cache = BillingCache(source: accounts, time: time, rules: rules, codec: PlainCodec())
        lists = AccountListCache(directory: accounts, time: time)
        var exportRules = ExportBilling.Rules()
        exportRules.windowMax = 8
        exportRules.accountDeadline = .milliseconds(200)
        exportRules.heartbeat = .seconds(1000)
        exportBilling = ExportBilling(lists: lists, cache: cache, source: accounts, time: time, rules: exportRules)
    }

    func chance(_ range: Range<Int>) -> Int { random.withLock { Int.random(in: range, using: &$0) } }

    /// Something that happens while a stream runs, or between streams.
    func disturb() async {
        switch chance(0..<24) {
        case 0, 1, 2: accounts.change()
        case 3: accounts.add()
        case 4: accounts.remove()
        case 5, 6: await lookUp(.none)
        case 7:
            var directives = CacheDirectives.none
            directives.noCache = true
            await lookUp(directives)
        case 8: await write()
        case 9: _ = try? await lists.snapshot(of: nil, .all, maxAge: .zero)
        case 10: time.advance(by: .seconds(chance(1..<40)))
        case 11, 12, 13: time.advance(by: .milliseconds(1))
        case 14, 15: await Task.yield()
        default: break
        }
    }

    private func lookUp(_ directives: CacheDirectives) async {
        let account = accounts.change() ?? accounts.someAccount()
        let read: AccountRead = chance(0..<2) == 0 ? .billingInformation(of: account) : .planInformation(of: account)
        _ = try? await cache.entry(for: read, under: nil, for: .interactive, directives: directives)
    }

    private func write() async {
        let account = accounts.someAccount()
        cache.changeBegan(account, invalidating: [.getBillingInformation, .getPlanInformation])
        await Task.yield()
        accounts.change(account)
        if chance(0..<2) == 0 {
            _ = try? await cache.entry(
                for: .billingInformation(of: account), under: nil, for: .interactive, directives: .none)
        }
        cache.changeEnded(account, invalidating: [.getBillingInformation, .getPlanInformation])
    }

    func settle() async {
        while cache.isFetching { await Task.yield() }
    }

    func close() async {
        await cache.close()
        await lists.close()
    }
}

@Suite("Streams of changes", .timeLimit(.minutes(10)))
struct ChangeStreamTests {
    private static let caller = Caller.everything

    /// Reads a stream to its end, resumed after each interruption.
    ///
    /// - Returns: The moment for the next stream.
    private func read(
        _ service: ChangingService, since: Int64?, kinds: [ExportKind], for caller: Caller, into table: inout Table,
        disturbed: Bool
    ) async throws -> Int64 {
        var firstBegin: Int64?
        var options = ExportBilling.Options()
        options.kinds = kinds
        options.changedSince = since
        if disturbed, service.chance(0..<3) == 0 { options.maxAge = .seconds(service.chance(0..<60)) }
        var attempts = 0
        while true {
            try Task.checkCancellation()
            (table.last, table.complete) = (options.after, options.after)
            attempts += 1
            let interruptsAt = attempts < 4 && service.chance(0..<2) == 0 ? service.chance(2..<30) : nil
            let reader = TableReader(table, interruptsAt: interruptsAt) {
                if disturbed { await service.disturb() }
            }
            if try await !run(options, service, for: caller, to: reader, disturbed: disturbed) {
                let state = reader.state.withLock { $0 }
                table = state.table
                if firstBegin == nil {
                    firstBegin = try #require(state.moments.first ?? nil, "the first stream has a moment")
                }
                options.after = table.complete
                if disturbed { for _ in 0..<5 { await service.disturb() } }
                continue
            }
            let state = reader.state.withLock { $0 }
            table = state.table
            let end = try #require(state.end)
            #expect(end.gone == state.gone)
            #expect((end.asOf == nil) == (options.after != nil))
            return try #require(firstBegin ?? end.asOf)
        }
    }

    /// - Returns: False if the reader has interrupted the stream.
    private func run(
        _ options: ExportBilling.Options, _ service: ChangingService, for caller: Caller, to reader: TableReader,
        disturbed: Bool
    ) async throws(BillingFailure) -> Bool {
        do throws(BillingFailure) {
            var export = try service.exportBilling(options, for: caller)
            if export.needsPreparation { try await export.prepare() }
            if disturbed { await service.disturb() }
            try await export.run(to: reader)
            return true
        } catch {
            guard error == .cancelled else { throw error }
            return false
        }
    }

    private func full(_ service: ChangingService, _ kinds: [ExportKind], for caller: Caller) async throws -> Table {
        var table = Table()
        _ = try await read(service, since: nil, kinds: kinds, for: caller, into: &table, disturbed: false)
        return table
    }

    @Test(
        "A table that streams of changes maintain equals a full export, whatever happens during the streams",
        arguments: UInt64(1)...200)
    func equalsFullExport(seed: UInt64) async throws {
        let kinds: [ExportKind] = seed.isMultiple(of: 3) ? [.contact, .plans] : [.contact]
        // With a small cache, answers are evicted.
        let service = ChangingService(
            accounts: 40, seed: seed, bytesMax: seed.isMultiple(of: 4) ? 5000 : 256 << 20)
        let caller =
            seed.isMultiple(of: 5)
            ? Caller(
                name: Name(literal: "some"), scopes: Set(Caller.Scope.allCases),
                accounts: AllowList((0..<150).map { _ in service.accounts.someAccount() })) : Self.caller
        var table = Table()
        // Without a list, the changes of the list are unknown.
        _ = try await service.lists.snapshot(of: nil, .all, maxAge: nil)
        service.accounts.fail(share: 0.1)
        var since = try await read(service, since: nil, kinds: kinds, for: caller, into: &table, disturbed: true)
        for round in 0..<4 {
            service.accounts.fail(share: service.chance(0..<3) == 0 ? 0.3 : 0)
            for _ in 0..<20 { await service.disturb() }
            since = try await read(service, since: since, kinds: kinds, for: caller, into: &table, disturbed: true)
            // Revalidations change the cache after a stream.
            service.accounts.fail(share: 0)
            await service.settle()
            let list = try await service.lists.accounts(of: nil, .all, maxAge: caller.accounts.map { _ in .zero })
            var differences: Set<String> = []
            for _ in 0..<4 {
                since = try await read(
                    service, since: since, kinds: kinds, for: caller, into: &table, disturbed: false)
                await service.settle()
                let whole = try await full(service, kinds, for: caller)
                differences = Self.differences(table, whole, in: caller.accounts.map { _ in list })
                // The whole stream has newer contents if it looked up what has expired since. But a change that was left
                // out once stays left out.
                if differences.isEmpty { break }
            }
            #expect(differences.isEmpty, "round \(round)")
            guard differences.isEmpty else { break }
        }
        await service.close()
    }

    /// The rows that only one of the tables has, as text.
    ///
    /// - Parameter list: Only rows of these accounts are compared; `nil` for all. The whole stream of a caller with an allow-list
    ///   does not depend on the list.
    private static func differences(_ one: Table, _ other: Table, in list: AccountList?) -> Set<String> {
        let texts = [one, other].map { table in
            Set(
                table.rows.filter { list?.contains($0.key.account) ?? true }.map {
                    "\($0.key.kind) \($0.key.account) \($0.value)"
                })
        }
        return texts[0].symmetricDifference(texts[1])
    }

    @Test("Without changes, a stream of changes has no line of an account and no call")
    func nothing() async throws {
        let service = ChangingService(accounts: 50, seed: 1, bytesMax: 256 << 20)
        var table = Table()
        let since = try await read(
            service, since: nil, kinds: [.contact], for: Self.caller, into: &table, disturbed: false)
        // What was received in the millisecond of the moment may be in the next stream.
        service.time.advance(by: .milliseconds(5))
        let calls = service.accounts.calls
        let reader = TableReader(Table())
        var options = ExportBilling.Options()
        options.changedSince = since + 1
        try await service.exportBilling(options, for: Self.caller).run(to: reader)
        let state = reader.state.withLock { $0 }
        #expect(state.events == 2 && state.table.rows.isEmpty)
        #expect(state.end?.unchanged == Set(table.rows.keys.map(\.account)).count && state.end?.gone == 0)
        #expect(service.accounts.calls == calls)
        await service.close()
    }

    @Test("A moment before the first account list is refused, with the moment from which on changes are known")
    func unknown() async throws {
        let service = ChangingService(accounts: 5, seed: 1, bytesMax: 256 << 20)
        let list = try await service.lists.snapshot(of: nil, .all, maxAge: nil)
        var options = ExportBilling.Options()
        options.changedSince = list.currentSince - 1
        var export = try service.exportBilling(options, for: Self.caller)
        await #expect(throws: BillingFailure.changesUnknown(before: list.currentSince)) { try await export.prepare() }
        options.changedSince = list.currentSince
        var known = try service.exportBilling(options, for: Self.caller)
        try await known.prepare()
        #expect(!known.needsPreparation)
        // After all lists were removed, no changes are known.
        service.time.advance(by: .milliseconds(10))
        service.lists.removeAll()
        var later = try service.exportBilling(options, for: Self.caller)
        await #expect(throws: BillingFailure.self) { try await later.prepare() }
        await service.close()
    }

    @Test(
        "An account whose lookup failed in a full export is in the next stream of changes, though its content is older")
    func failedBefore() async throws {
        let service = ChangingService(accounts: 10, seed: 2, bytesMax: 256 << 20)
        _ = try await full(service, [.contact], for: Self.caller)
        // Older than an error permits.
        service.time.advance(by: .seconds(1000))
        service.accounts.fail(share: 1)
        var table = Table()
        let since = try await read(
            service, since: nil, kinds: [.contact], for: Self.caller, into: &table, disturbed: false)
        #expect(table.rows.isEmpty)
        service.accounts.fail(share: 0)
        service.time.advance(by: .milliseconds(10))
        _ = try await read(service, since: since, kinds: [.contact], for: Self.caller, into: &table, disturbed: false)
        #expect(try await table.rows == full(service, [.contact], for: Self.caller).rows)
        #expect(!table.rows.isEmpty)
        await service.close()
    }

    @Test(
        "Only a stream in order from the first account has a moment for the next stream, at the end only if it has all")
    func moments() async throws {
        let service = ChangingService(accounts: 10, seed: 3, bytesMax: 256 << 20)
        let account = try await service.lists.accounts(of: nil, .all)[3]
        var arrival = ExportBilling.Options()
        arrival.order = .arrival
        var part = ExportBilling.Options()
        part.limit = 3
        let cases = [
            (ExportBilling.Options(), [true, true]), (part, [true, false]), (arrival, [false, false]),
            (ExportBilling.Options(after: account), [false, false]),
        ]
        for (options, hasMoments) in cases {
            let reader = MomentReader()
            try await service.exportBilling(options, for: Self.caller).run(to: reader)
            #expect(reader.moments.withLock { $0 }.map { $0 != nil } == hasMoments)
        }
        await service.close()
    }
}

/// Collects the moments of the first and the last event.
private final class MomentReader: ExportBilling.Consumer {
    let moments = Mutex<[Int64?]>([])

    func flush() async throws(BillingFailure) {}

    func take(_ event: ExportBilling.Event) async throws(BillingFailure) {
        switch event {
        case .begin(_, _, _, let asOf): moments.withLock { $0.append(asOf) }
        case .end(let summary): moments.withLock { $0.append(summary.asOf) }
        case .answer, .run, .failure, .gone, .malformed, .heartbeat: break
        }
    }
}
