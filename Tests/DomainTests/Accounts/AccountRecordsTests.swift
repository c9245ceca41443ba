import Domain
import DomainFakes
import Testing

@Suite("Records of an account list", .timeLimit(.minutes(10)))
struct AccountRecordsTests {
    private static func rules(recordBytesMax: Int) -> AccountListCache.Rules {
        var rules = AccountListCache.Rules()
        rules.recordBytesMax = recordBytesMax
        return rules
    }

    private static func snapshot(
        _ lists: AccountListCache, _ filter: SubAccountFilter = .all
    ) async throws(BillingFailure) -> AccountListSnapshot {
        try await lists.snapshot(of: nil, filter, directives: .none)
    }

    /// Lists with a duplicate on every page, which change during the first pass.
    @Test("Each account of a list has its latest record, whatever changes during the listing", arguments: 1...10)
    func order(seed: UInt64) async throws {
        /// Records contain the number of the call.
        final class Directory: SubAccountDirectory {
            let pages: FakeDirectory

            init(_ accounts: [AccountID], changesDuring calls: Int) {
                pages = FakeDirectory(accounts)
                self.calls = calls
            }

            let calls: Int

            func page(
                of master: Name?, _ request: SubAccountPageRequest, for purpose: Purpose
            ) async throws(BillingFailure) -> SubAccountPage {
                let page = try await pages.page(of: master, request, for: purpose)
                let call = pages.requests.count
                if call <= calls { pages.change { $0.append($0.removeFirst()) } }
                return SubAccountPage(
                    accounts: (page.accounts + page.accounts.prefix(1)).map {
                        SubAccount(id: $0.id, record: SourceDocument(text: Array("\($0.id) \(call)".utf8)))
                    }, next: page.next, total: page.total)
            }
        }
        var random = SeededRandom(seed: seed)
        let accounts = (0..<Int.random(in: 1...120, using: &random)).map { AccountID(literal: "a\($0)") }
            .shuffled(using: &random)
        let directory = Directory(accounts, changesDuring: Int.random(in: 0...5, using: &random))
        let lists = AccountListCache(
            directory: directory, time: TestClock(), rules: Self.rules(recordBytesMax: 1 << 20))
        let snapshot = try await Self.snapshot(lists)
        let records = try #require(snapshot.records)
        #expect(snapshot.list.count == records.count && snapshot.list.count >= accounts.count)
        let passes = (directory.pages.requests.indices.filter { directory.pages.requests[$0].start == .number(1) })
        let lastPass = try #require(passes.last)
        var inLastPass = 0
        for index in 0..<records.count {
            let parts = String(decoding: records[index].text, as: UTF8.self).split(separator: " ")
            #expect(String(parts[0]) == snapshot.list[index].rawValue)
            if let call = Int(parts[1]), call > lastPass { inLastPass += 1 }
        }
        #expect(inLastPass > 0)
    }

    @Test("A list whose records exceed the limit has its accounts without records, and one that just fits has both")
    func limit() async throws {
        let accounts = (0..<40).map { AccountID(literal: "a\($0)") }
        let bytes = accounts.reduce(0) { $0 + FakeDirectory.record(of: $1).text.count }
        for (limit, hasRecords) in [(bytes, true), (bytes - 1, false), (0, false)] {
            let lists = AccountListCache(
                directory: FakeDirectory(accounts), time: TestClock(), rules: Self.rules(recordBytesMax: limit))
            let snapshot = try await Self.snapshot(lists)
            #expect(snapshot.list.count == 40 && (snapshot.records != nil) == hasRecords)
            #expect(snapshot.records?.bytes == (hasRecords ? bytes : nil))
        }
    }

    @Test("All cached lists together keep to the limit: the oldest list loses its records, but not its accounts")
    func total() async throws {
        let accounts = (0..<40).map { AccountID(literal: "a\($0)") }
        let bytes = accounts.reduce(0) { $0 + FakeDirectory.record(of: $1).text.count }
        let clock = TestClock()
        let directory = FakeDirectory(accounts)
        let lists = AccountListCache(
            directory: directory, time: clock, rules: Self.rules(recordBytesMax: bytes * 3 / 2))
        let filters = ["r1", "r2"].map { SubAccountFilter(reseller: $0) }
        for filter in filters {
            #expect(try await Self.snapshot(lists, filter).records != nil)
            clock.advance(by: .seconds(1))
        }
        let calls = directory.requests.count
        #expect(try await Self.snapshot(lists, filters[0]).records == nil)
        #expect(try await Self.snapshot(lists, filters[0]).list.count == 40)
        #expect(try await Self.snapshot(lists, filters[1]).records != nil)
        #expect(directory.requests.count == calls)
    }

    @Test("A listing that is under way when all lists are removed is not cached")
    func removed() async throws {
        let arrived = Signal()
        let release = Signal()
        let directory = FakeDirectory([AccountID(literal: "a")]) { _ async throws(BillingFailure) in
            arrived.fire()
            try await release.waitInSource()
        }
        let lists = AccountListCache(directory: directory, time: TestClock())
        async let count = lists.accounts(of: nil, .all).count
        try await arrived.wait()
        lists.removeAll()
        release.fire()
        #expect(try await count == 1)
        #expect(lists.cached(of: nil, .all, directives: .none, at: TestClock().now) == nil)
    }
}
