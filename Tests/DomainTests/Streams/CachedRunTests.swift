import Domain
import DomainFakes
import Testing

@Suite("Runs of cached answers in a stream", .timeLimit(.minutes(10)))
struct CachedRunTests {
    private static let accounts = ["a", "b", "c", "d", "e", "f"].map { AccountID(literal: $0) }

    enum Missing: CaseIterable {
        case neverLookedUp
        case changed
        case expired
        case olderThanMaxAge
    }

    @Test(
        "A run ends at an account without an answer that may be served, and the next run waits behind it",
        arguments: Missing.allCases)
    func cut(missing: Missing) async throws {
        let source = PermitSource(Self.accounts)
        let service = StreamedService(source)
        var options = ExportBilling.Options()
        for account in Self.accounts where account != Self.accounts[2] { service.store(account) }
        let account = Self.accounts[2]
        switch missing {
        case .neverLookedUp: break
        case .changed:
            service.store(account)
            service.cache.changeBegan(account, invalidating: [.getBillingInformation])
            service.cache.changeEnded(account, invalidating: [.getBillingInformation])
        case .expired: service.store(account, age: .seconds(86_400 + 3600))
        case .olderThanMaxAge:
            service.store(account, age: .seconds(101))
            options.maxAge = .seconds(100)
        }
        let recorder = StreamRecorder()
        let stream = Task { [options] in try await service.export(options, to: recorder) }
        try await source.waits(1, of: .bulk)
        #expect(recorder.events == ["run a-b"])
        source.grant()
        _ = try await stream.joined
        #expect(recorder.events == ["run a-b", "line c", "run d-f"])
        #expect(recorder.value.lines.map(\.text) == ["old", "old", "new", "old", "old", "old"])
        #expect(source.granted.map(\.account) == [account])
        #expect(recorder.value.end?.answers == 6 && recorder.value.end?.failures == 0)
        await service.close()
    }

    @Test("A run begins after the given account and ends with the limit", arguments: ["b", "bb"], [1, 2, 9])
    func part(after: String, limit: Int) async throws {
        let source = PermitSource(Self.accounts)
        let service = StreamedService(source)
        for account in Self.accounts { service.store(account) }
        var options = ExportBilling.Options(after: AccountID(literal: after))
        options.limit = limit
        let recorder = try await service.export(options)
        #expect(recorder.events == [limit == 1 ? "run c" : limit == 2 ? "run c-d" : "run c-f"])
        #expect(recorder.value.end?.remaining == max(4 - limit, 0))
        #expect(source.waiting.isEmpty && source.granted.isEmpty)
    }

    @Test("A cached answer of an account that is not in the list is not sent")
    func vanished() async throws {
        let source = PermitSource(Self.accounts.filter { $0 != Self.accounts[2] })
        let service = StreamedService(source)
        for account in Self.accounts { service.store(account) }
        #expect(try await service.export().events == ["run a-b", "run d-f"])
        #expect(source.granted.isEmpty)
    }

    @Test("A waiting run is sent unchanged, and the next stream of changes has the answers that changed meanwhile")
    func changedWhileWaiting() async throws {
        let source = PermitSource(Self.accounts)
        let service = StreamedService(source)
        for account in Self.accounts where account != Self.accounts[2] { service.store(account) }
        service.clock.advance(by: .seconds(60))
        let recorder = StreamRecorder()
        let stream = Task { try await service.export(to: recorder) }
        try await source.waits(1, of: .bulk)
        service.clock.advance(by: .milliseconds(10))
        let changedAt = service.clock.millisecondsSinceEpoch
        service.store(Self.accounts[4], "changed", age: .zero)
        service.clock.advance(by: .milliseconds(10))
        service.cache.changeBegan(Self.accounts[5], invalidating: [.getBillingInformation])
        service.cache.changeEnded(Self.accounts[5], invalidating: [.getBillingInformation])
        source.grant()
        _ = try await stream.joined
        #expect(recorder.events == ["run a-b", "line c", "run d-f"])
        #expect(recorder.value.lines.map(\.text) == ["old", "old", "new", "old", "old", "old"])
        let asOf = try #require(recorder.value.end?.asOf)
        #expect(asOf <= changedAt)
        service.clock.advance(by: .milliseconds(10))
        var options = ExportBilling.Options()
        options.changedSince = asOf
        let changes = StreamRecorder()
        let next = Task { [options] in try await service.export(options, to: changes) }
        try await source.waits(1, of: .bulk)
        source.grant()
        _ = try await next.joined
        #expect(changes.accounts == [2, 4, 5].map { Self.accounts[$0] })
        #expect(changes.value.lines.map(\.text) == ["new", "changed", "new"])
        await service.close()
    }

    @Test("A run that waits is sent whole after all answers were removed from the cache")
    func removedWhileWaiting() async throws {
        let source = PermitSource(Self.accounts)
        let service = StreamedService(source)
        for account in Self.accounts where account != Self.accounts[0] { service.store(account) }
        let recorder = StreamRecorder()
        let stream = Task { try await service.export(to: recorder) }
        try await source.waits(1, of: .bulk)
        service.cache.removeAll()
        source.grant()
        _ = try await stream.joined
        #expect(recorder.events == ["line a", "run b-f"])
        #expect(recorder.value.lines.map(\.text) == ["new", "old", "old", "old", "old", "old"])
        await service.close()
    }

    // MARK: Limits of the window

    /// Groups of one account without an answer and 128 with one, which are one page.
    private static let groups = (0..<20).map { group in
        (0...128).map { AccountID(literal: "g\(10 + group)-\(100 + $0)") }
    }

    private static func group(_ account: AccountID) -> Int? {
        groups.firstIndex { $0[0] == account }
    }

    /// - Returns: The size of a run.
    private static func storeGroups(in service: StreamedService) -> Int {
        let text = String(repeating: "x", count: 200)
        for group in groups { for account in group.dropFirst() { service.store(account, text) } }
        return 128 * (groups[0][0].rawValue.utf8.count + 1 + text.utf8.count)
    }

    /// Runs a stream until it waits for `count` lookups.
    ///
    /// - Returns: The numbers of the groups whose first accounts are looked up meanwhile.
    private func waiting(
        for count: Int, _ source: PermitSource, _ service: StreamedService, _ recorder: StreamRecorder
    ) async throws -> [Int?] {
        let stream = Task { try await service.export(to: recorder) }
        // Each lookup is a task, which may begin after a heartbeat.
        try await source.waits(count, of: .bulk)
        try await service.clock.sleepers(1)
        service.clock.advance(by: .seconds(10))
        // The stream has nothing else to do before it sends a heartbeat.
        try await recorder.records(1)
        let waiting = source.waiting.map { Self.group($0.account) }
        while recorder.value.end == nil {
            try Task.checkCancellation()
            if source.grant() == nil { await Task.yield() }
        }
        _ = try await stream.joined
        return waiting
    }

    /// Expects that a window with these rules looks up the first four groups at once, and that the stream is complete.
    private func expectFourGroups(_ rules: ExportBilling.Rules) async throws {
        let source = PermitSource(Self.groups.flatMap { $0 })
        let service = StreamedService(source, export: rules)
        _ = Self.storeGroups(in: service)
        let recorder = StreamRecorder()
        // In any order, since the lookups are tasks.
        #expect(Set(try await waiting(for: 4, source, service, recorder)) == [0, 1, 2, 3])
        expectAll(recorder)
        await service.close()
    }

    private func expectAll(_ recorder: StreamRecorder) {
        #expect(recorder.accounts == Self.groups.flatMap { $0 })
        let events = Self.groups.flatMap { ["line \($0[0])", "run \($0[1])-\($0[128])"] }
        #expect(recorder.events.filter { $0 != "heartbeat" } == events)
    }

    @Test("Runs wait in the window as one item each, up to its number of accounts")
    func itemsMax() async throws {
        var rules = ExportBilling.Rules()
        // Four accounts and the four runs between them and behind them.
        (rules.windowMax, rules.bufferedMax) = (8, 8)
        try await expectFourGroups(rules)
    }

    @Test("Runs wait in the window up to its size in bytes")
    func bytesMax() async throws {
        var rules = ExportBilling.Rules()
        // The fourth run exceeds the size.
        rules.bufferedBytesMax = Self.storeGroups(in: StreamedService(PermitSource([]))) * 7 / 2
        try await expectFourGroups(rules)
    }

    @Test("While the reader does not take a run, nothing behind it is read or looked up")
    func slowReader() async throws {
        let accounts = Self.groups.flatMap { $0 }.dropFirst()
        let source = PermitSource(Array(accounts))
        let service = StreamedService(source)
        _ = Self.storeGroups(in: service)
        let recorder = StreamRecorder(holdsAt: 1)
        let stream = Task { try await service.export(to: recorder) }
        try await recorder.held()
        let fresh = service.cache.counts.fresh
        #expect(fresh == 128 && source.waiting.isEmpty && source.granted.isEmpty)
        recorder.release()
        while recorder.value.end == nil {
            try Task.checkCancellation()
            if source.grant() == nil { await Task.yield() }
        }
        _ = try await stream.joined
        #expect(recorder.accounts == Array(accounts))
        await service.close()
    }

    // MARK: Cancellation

    /// Takes nothing after a number of runs and lines: its reader is gone.
    private struct Gone: ExportBilling.Consumer {
        let recorder: StreamRecorder
        let after: Int

        func flush() async throws(BillingFailure) {}

        func take(_ event: ExportBilling.Event) async throws(BillingFailure) {
            guard recorder.events.count < after else { throw .cancelled }
            try await recorder.take(event)
        }
    }

    @Test(
        "A stream that is cancelled between runs cancels its lookups, except those for which another caller waits",
        arguments: [false, true])
    func cancelled(isReaderGone: Bool) async throws {
        let source = PermitSource(Self.accounts)
        let service = StreamedService(source)
        for index in [0, 2, 4] { service.store(Self.accounts[index]) }
        let lookup = Task {
            try await service.cache.entry(
                for: .billingInformation(of: Self.accounts[3]), under: nil, for: .interactive, directives: .none)
        }
        try await source.waits(1, of: .interactive)
        let consumer = Gone(recorder: StreamRecorder(), after: isReaderGone ? 1 : 100)
        let stream = Task { try await service.exportBilling(.init(), for: .everything).run(to: consumer) }
        try await source.waits(2, of: .bulk)
        #expect(consumer.recorder.events == ["run a"])
        if isReaderGone {
            // The interactive request is first.
            source.grant()
            source.grant()
        } else {
            stream.cancel()
        }
        await #expect(throws: BillingFailure.cancelled) { try await stream.joined }
        try await source.cancels(isReaderGone ? 1 : 2)
        let cancelled = source.cancelled.map(\.account).sorted()
        #expect(cancelled == (isReaderGone ? [5] : [1, 5]).map { Self.accounts[$0] })
        if !isReaderGone {
            #expect(source.waiting.map(\.account) == [Self.accounts[3]])
            source.grant()
        }
        #expect(try await (lookup.joined.response as? PlainCodec.Response)?.text == "new")
        try await service.settle()
        #expect(source.waiting.isEmpty)
        await service.close()
    }
}
