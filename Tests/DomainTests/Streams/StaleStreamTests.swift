import Domain
import DomainFakes
import Testing

@Suite("Streams of stale answers", .timeLimit(.minutes(10)))
struct StaleStreamTests {
    private static func ids(_ texts: String...) -> [AccountID] { texts.map { AccountID(literal: $0) } }

    /// The answers of 128 accounts of each page, all of the same age.
    ///
    /// - Returns: The accounts.
    private static func fill(_ pages: AnswerPages, count: Int, age: Duration, _ clock: TestClock) throws -> [AccountID]
    {
        func text(_ page: Int, _ place: Int) -> String { "p\(10_000 + page)-\(100 + place)" }
        let service = StreamedService(PermitSource([]), time: clock)
        for place in 0..<128 { service.store(AccountID(literal: text(0, place)), age: age) }
        let template = try #require(service.pages.takeChanges(limit: 10, CivilClock(clock)).changed.first)
        let image = template.image
        // The images differ in the ids only, which have the same length.
        let head = Array("p10000-".utf8)
        let places = image.bytes.indices.filter { image.bytes[$0...].starts(with: head) }
        #expect(places.count == 128)
        for page in 0..<count / 128 {
            var bytes = image.bytes
            for place in places {
                bytes.replaceSubrange(place..<place + head.count, with: Array("p\(10_000 + page)-".utf8))
            }
            let copy = PageImage(
                number: Int64(page + 1), operation: image.operation, period: nil, master: nil, bytes: bytes)
            #expect(pages.restore(copy, CivilClock(clock)) { _, _ in true })
        }
        return (0..<count / 128 * 128).map { AccountID(literal: text($0 / 128, $0 % 128)) }
    }

    @Test(
        "A stream over 200,000 stale answers starts 64 revalidations, and its own lookups are sent before all of them")
    func many() async throws {
        let clock = TestClock()
        let all = (0..<200_064).map { AccountID(literal: "p\(10_000 + $0 / 128)-\(100 + $0 % 128)") }
        let source = PermitSource(all)
        let service = StreamedService(source, time: clock)
        #expect(try Self.fill(service.pages, count: all.count, age: StreamedService.stale, clock) == all)
        let missing = stride(from: 1000, to: all.count, by: 2000).map { all[$0] }
        for account in missing { service.pages.remove(.getBillingInformation, of: account) }
        let recorder = StreamRecorder(recordsLines: false)
        let stream = Task { try await service.export(to: recorder) }
        for _ in missing {
            try await source.waits(1, of: .bulk)
            source.grant()
        }
        let end = try await stream.joined.value
        #expect(end.count == all.count && end.isInOrder && end.first == all.first && end.last == all.last)
        #expect(end.end?.answers == all.count && end.end?.failures == 0)
        // No permit was left for a revalidation.
        #expect(source.granted.allSatisfy { $0.priority == .bulk })
        #expect(source.granted.map(\.account).sorted() == missing)
        #expect(service.cache.counts.revalidations == 64)
        try await source.waits(64, of: .background)
        #expect(source.waiting.count == 64)
        // Each revalidation that ends makes room for another one, in a later stream.
        for _ in 0..<10 { source.grant() }
        while service.cache.isFetching, source.granted.count < missing.count + 10 { await Task.yield() }
        while service.cache.counts.revalidations < 74 {
            try Task.checkCancellation()
            try await service.export(to: StreamRecorder(recordsLines: false))
        }
        #expect(service.cache.counts.revalidations == 74)
        await service.close()
    }

    @Test(
        "While the source refuses revalidations without a request, a stream does not begin one for each stale answer",
        arguments: [
            BillingFailure.dailyQuotaSpent(retryAfter: .seconds(3600)), .rateLimited(retryAfter: .seconds(1)),
            .sourceUnavailable(retryAfter: .seconds(1)), .credentialsRefused,
        ])
    func refused(failure: BillingFailure) async throws {
        let accounts = (0..<3000).map { AccountID(literal: "a\(10_000 + $0)") }
        let source = FakeSource(listed: accounts) { _, _ async throws(BillingFailure) in throw failure }
        let service = StreamedService(source, directory: source)
        for account in accounts { service.store(account, age: StreamedService.stale) }
        // A slow reader leaves time for revalidations to fail.
        for _ in 0..<5 {
            let recorder = try await service.export()
            #expect(recorder.value.count == 3000)
            try await service.settle()
        }
        #expect((1...64).contains(source.calls.count), "\(source.calls.count) calls")
        // After the pause, the next one is tried.
        let calls = source.calls.count
        service.clock.advance(by: .seconds(5))
        try await service.export()
        try await service.settle()
        #expect((1...64).contains(source.calls.count - calls))
        await service.close()
    }

    @Test(
        "A stale answer whose account has a request in flight is revalidated by a stream after that request has ended",
        arguments: [BillingFailure.sourceFailed, .sourceRejected, nil])
    func requestInFlight(failure: BillingFailure?) async throws {
        let account = AccountID(literal: "a")
        let source = PermitSource([account]) { _, priority throws(BillingFailure) in
            if priority == .bulk, let failure { throw failure }
            return PermitSource.contact("new")
        }
        let service = StreamedService(source)
        service.store(account, age: StreamedService.stale)
        let job = Task {
            var directives = CacheDirectives()
            directives.maxAge = .seconds(10)
            return try await service.cache.entry(
                for: .billingInformation(of: account), under: nil, for: .bulk, directives: directives)
        }
        try await source.waits(1, of: .bulk)
        for _ in 0..<3 { #expect(try await service.export().value.lines.map(\.text) == ["old"]) }
        #expect(source.waiting.count == 1 && service.cache.counts.revalidations == 0)
        if failure == nil {
            // Without its waiter, the request continues for the sake of the stale answer.
            job.cancel()
            _ = await job.result
            #expect(source.waiting.count == 1)
        }
        source.grant()
        _ = await job.result
        try await service.settle()
        if failure != nil {
            #expect(try await service.export().value.lines.map(\.text) == ["old"])
            try await source.waits(1, of: .background)
            source.grant()
            try await service.settle()
            #expect(service.cache.counts.revalidations == 1)
        }
        #expect(try await service.export().value.lines.map(\.text) == ["new"])
        #expect(source.waiting.isEmpty)
        await service.close()
    }

    @Test("A revalidation that fails gives its turn to another stale answer, and is repeated after a pause")
    func failed() async throws {
        let accounts = Self.ids("a", "b")
        let source = PermitSource(accounts) { account, _ throws(BillingFailure) in
            if account == AccountID(literal: "a") { throw .sourceFailed }
            return PermitSource.contact("new")
        }
        var rules = StreamedService.rules
        rules.revalidationsMax = 1
        let service = StreamedService(source, rules)
        for account in accounts { service.store(account, age: StreamedService.stale) }
        for expected in ["a", "b"] {
            try await service.export()
            try await source.waits(1, of: .background)
            #expect(source.waiting.map(\.account.rawValue) == [expected])
            source.grant()
            try await service.settle()
        }
        #expect(try await service.export().value.lines.map(\.text) == ["old", "new"])
        try await service.settle()
        #expect(source.granted.count == 2)
        service.clock.advance(by: .seconds(5))
        try await service.export()
        try await source.waits(1, of: .background)
        #expect(source.waiting.map(\.account.rawValue) == ["a"])
        await service.close()
    }

    @Test("A revalidation that a lookup replaces gives its turn to another stale answer at once")
    func replaced() async throws {
        let accounts = Self.ids("a", "b")
        let source = PermitSource(accounts)
        var rules = StreamedService.rules
        rules.revalidationsMax = 1
        let service = StreamedService(source, rules)
        for account in accounts { service.store(account, age: StreamedService.stale) }
        try await service.export()
        try await source.waits(1, of: .background)
        let job = Task {
            var directives = CacheDirectives()
            directives.maxAge = .seconds(10)
            return try await service.cache.entry(
                for: .billingInformation(of: accounts[0]), under: nil, for: .bulk, directives: directives)
        }
        try await source.waits(1, of: .bulk)
        try await source.cancels(1)
        #expect(source.cancelled == [.init(account: accounts[0], priority: .background)])
        while service.cache.counts.revalidations < 2 {
            try Task.checkCancellation()
            try await service.export()
        }
        try await source.waits(1, of: .background)
        #expect(source.waiting.map(\.account) == accounts)
        source.grant()
        source.grant()
        #expect(try await (job.joined.response as? PlainCodec.Response)?.text == "new")
        try await service.settle()
        #expect(source.granted.map(\.priority) == [.bulk, .background])
        await service.close()
    }
}
