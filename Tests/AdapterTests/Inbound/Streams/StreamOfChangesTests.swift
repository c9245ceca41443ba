import Adapters
import Domain
import DomainFakes
import NIOCore
import Synchronization
import Testing

/// `/v2/billing/stream` with `changed_since`.
@Suite("Stream of changes over HTTP", .timeLimit(.minutes(10)))
struct StreamOfChangesTests {
    /// A source whose list and whose cities and plans change.
    private final class Accounts: BillingSource, SubAccountDirectory {
        /// What differs from the first state.
        private final class Changes: Sendable {
            let cities = Mutex<[AccountID: String]>([:])
            let hosts = Mutex<[AccountID: Int]>([:])
        }

        private let directory: FakeDirectory
        private let source: FakeSource
        private let changes: Changes

        init(_ accounts: [AccountID]) {
            let changes = Changes()
            self.changes = changes
            directory = FakeDirectory(accounts)
            source = FakeSource.answering { read, _ async throws(BillingFailure) in
                if read.operation == .getPlanInformation {
                    let hosts = changes.hosts.withLock { $0[read.account] ?? 1 }
                    return .document(SourceDocument(text: Array(#"{"plan_base":{"hosts":\#(hosts)}}"#.utf8)))
                }
                let city = changes.cities.withLock { $0[read.account] ?? "Boston" }
                return .contact(BillingContact(reading: { $0 == .city ? city : "x" }))
            }
        }

        func set(city: String, of account: AccountID) { changes.cities.withLock { $0[account] = city } }
        func set(hosts: Int, of account: AccountID) { changes.hosts.withLock { $0[account] = hosts } }
        func change(_ change: @Sendable (inout [AccountID]) -> Void) { directory.change(change) }

        func answer(
            to read: AccountRead, under master: Name?, for purpose: Purpose
        ) async throws(BillingFailure) -> SourceAnswer {
            try await source.answer(to: read, under: master, for: purpose)
        }

        func hasQueuedRequests(for operation: Domain.Operation, under master: Name?) -> Bool { false }

        func page(
            of master: Name?, _ request: SubAccountPageRequest, for purpose: Purpose
        ) async throws(BillingFailure) -> SubAccountPage {
            try await directory.page(of: master, request, for: purpose)
        }
    }

    private static func id(_ number: Int) -> AccountID { AccountID(literal: "account-\(number)") }

    private static func ids(_ lines: [JSONObject]) -> [String] { lines.compactMap { $0["account_id"]?.string } }

    private static func texts(_ response: ClientResponse) -> [String] {
        String(buffer: response.body).split(separator: "\n").map(String.init)
    }

    private func with(
        over transport: Transport = .h2c, callers: FakeCallers? = nil,
        _ test: (TestService, Accounts, TestClock) async throws -> Void
    ) async throws {
        let accounts = Accounts((0..<6).map(Self.id))
        let time = TestClock()
        try await TestService.with(source: accounts, over: transport, time: time, callers: callers) { service in
            try await test(service, accounts, time)
        }
    }

    /// Reads the whole stream, a second after its answers were received.
    ///
    /// - Returns: The moment for the next stream.
    private func whole(_ service: TestService, _ time: TestClock, _ query: String = "") async throws -> String {
        _ = try await service.send("/v2/billing/stream\(query)")
        time.advance(by: .milliseconds(1250))
        let lines = try await service.send("/v2/billing/stream\(query)").lines
        let moment = try #require(lines.last?["as_of"]?.string)
        #expect(lines.first?["as_of"]?.string == moment)
        time.advance(by: .seconds(1))
        return moment
    }

    @Test("the stream has lines of changed, new and vanished accounts only", arguments: Transport.allCases)
    func grammar(transport: Transport) async throws {
        try await with(over: transport) { service, accounts, time in
            let moment = try await whole(service, time)
            #expect(moment == "2026-01-31T12:00:01.250Z")
            let nothing = Self.texts(try await service.send("/v2/billing/stream?changed_since=\(moment)"))
            #expect(
                nothing == [
                    #"{"type":"begin","accounts":6,"after":null,"as_of":"2026-01-31T12:00:02.250Z"}"#,
                    #"{"type":"end","complete":true,"contacts":0,"failures":0,"by_code":{},"gone":0,"unchanged":6,"#
                        + #""elapsed_ms":0,"as_of":"2026-01-31T12:00:02.250Z"}"#,
                ])
            accounts.set(city: "Berkeley", of: Self.id(2))
            accounts.change { $0 = $0.filter { $0 != Self.id(1) } + [Self.id(7)] }
            let changed = Self.texts(
                try await service.send("/v2/billing/stream?changed_since=\(moment)&max_age=0&fields=city"))
            #expect(
                changed == [
                    #"{"type":"begin","accounts":6,"after":null,"as_of":"2026-01-31T12:00:02.250Z"}"#,
                    #"{"type":"gone","account_id":"account-1","as_of":"2026-01-31T12:00:02Z"}"#,
                    #"{"type":"contact","account_id":"account-2","as_of":"2026-01-31T12:00:02Z","billing":{"city":"Berkeley"}}"#,
                    #"{"type":"contact","account_id":"account-7","as_of":"2026-01-31T12:00:02Z","billing":{"city":"Boston"}}"#,
                    #"{"type":"end","complete":true,"contacts":2,"failures":0,"by_code":{},"gone":1,"unchanged":4,"#
                        + #""elapsed_ms":0,"as_of":"2026-01-31T12:00:02.250Z"}"#,
                ])
            let records = try await service.send("/v2/billing/stream?changed_since=\(moment)&only=records").lines
            #expect(records.compactMap { $0["type"]?.string } == ["gone", "contact", "contact"])
        }
    }

    @Test(
        "a moment may have another form of the same time",
        arguments: ["2026-01-31T12:00:01.25Z", "2026-01-31T12:00:01.250000%2B00:00", "2026-01-31T12:00:01.2509Z"])
    func forms(moment: String) async throws {
        try await with { service, _, time in
            _ = try await whole(service, time)
            let lines = try await service.send("/v2/billing/stream?changed_since=\(moment)").lines
            #expect(lines.last?["unchanged"] == .number("6"))
        }
    }

    @Test(
        "a stream of changes resumes after any account, also after one that has vanished", arguments: ["0", "1", "2"])
    func resume(after: String) async throws {
        try await with { service, accounts, time in
            let moment = try await whole(service, time)
            accounts.set(city: "Berkeley", of: Self.id(2))
            accounts.change { $0 = $0.filter { $0 != Self.id(1) && $0 != Self.id(5) } }
            let query = "changed_since=\(moment)&max_age=0&after=account-\(after)"
            let lines = try await service.send("/v2/billing/stream?\(query)").lines
            let all = ["account-1", "account-2", "account-5"]
            #expect(Self.ids(lines) == all.filter { $0 > "account-\(after)" })
            #expect(lines.first?["as_of"] == nil && lines.last?["as_of"] == nil)
            #expect(lines.first?["after"] == .string("account-\(after)"))
        }
    }

    @Test("a moment from before the first account list is refused with 410", arguments: Transport.allCases)
    func unknown(transport: Transport) async throws {
        try await with(over: transport) { service, _, time in
            _ = try await whole(service, time)
            let answer = try await service.send("/v2/billing/stream?changed_since=2026-01-31T11:59:59Z")
            #expect(answer.status == 410)
            #expect(answer.fields.string(.contentType) == "application/problem+json")
            let problem = try #require(answer.json)
            #expect(problem["type"] == .string("/v2/errors#changes-unknown"))
            #expect(
                problem["message"]
                    == .string(
                        "Changes are recorded since 2026-01-31T12:00:00.000Z only. Request the whole stream."))
        }
    }

    @Test(
        "another form of the moment, order=arrival and chosen accounts are refused",
        arguments: [
            "changed_since=", "changed_since=yesterday", "changed_since=1769860800",
            "changed_since=2026-01-31T12:00:00%2B01:00", "changed_since=2026-01-31T12:00:00.Z",
            "changed_since=2026-01-31%2012:00:00Z",
            "changed_since=2026-01-31T12:00:00.0000000001Z", "changed_since=2026-02-30T12:00:00Z",
            "changed_since=2026-01-31T12:00:00Z&order=arrival",
        ])
    func refused(query: String) async throws {
        try await with { service, _, _ in
            let answer = try await service.send("/v2/billing/stream?\(query)")
            #expect(answer.status == 400 && answer.json?["code"] == .number("300"))
            let moment = "changed_since=2026-01-31T12:00:00Z"
            #expect(try await service.post("/v2/billing/stream?\(moment)", "").status == 400)
        }
    }

    @Test("a caller with an allow-list has lines of its own accounts only")
    func ownAccounts() async throws {
        let caller = Caller(
            name: Name(literal: "job"), scopes: [.billingExport],
            accounts: AllowList([Self.id(1), Self.id(3), Self.id(9)]))
        try await with(callers: FakeCallers([TestService.token: caller])) { service, accounts, time in
            // The first stream needs no list, so what vanished since then is unknown.
            let early = try await whole(service, time)
            #expect(try await service.send("/v2/billing/stream?changed_since=\(early)").status == 410)
            let moment = try await whole(service, time)
            for number in [2, 3] { accounts.set(city: "Berkeley", of: Self.id(number)) }
            accounts.change { $0 = $0.filter { $0 != Self.id(1) && $0 != Self.id(4) } + [Self.id(9)] }
            let lines = try await service.send("/v2/billing/stream?changed_since=\(moment)&max_age=0").lines
            #expect(Self.ids(lines) == ["account-1", "account-3", "account-9"])
            #expect(lines.compactMap { $0["type"]?.string } == ["begin", "gone", "contact", "contact", "end"])
        }
    }

    @Test("the list of a reseller has changes of its own")
    func reseller() async throws {
        try await with { service, accounts, time in
            let moment = try await whole(service, time)
            // No list of this reseller was made before the moment.
            let query = "sub_reseller_id=reseller-1"
            #expect(try await service.send("/v2/billing/stream?changed_since=\(moment)&\(query)").status == 410)
            let own = try await whole(service, time, "?\(query)")
            accounts.change { $0.removeFirst() }
            let lines = try await service.send("/v2/billing/stream?changed_since=\(own)&max_age=0&\(query)").lines
            #expect(Self.ids(lines) == ["account-0"] && lines.last?["gone"] == .number("1"))
        }
    }

    @Test("each kind of data has its own changes, and a vanished account has one line")
    func kinds() async throws {
        try await with { service, accounts, time in
            let moment = try await whole(service, time, "?include=contact,plans")
            accounts.set(city: "Berkeley", of: Self.id(2))
            accounts.set(hosts: 7, of: Self.id(4))
            accounts.change { $0.removeFirst() }
            let query = "changed_since=\(moment)&max_age=0&include=contact,plans"
            let lines = try await service.send("/v2/billing/stream?\(query)").lines
            #expect(lines.compactMap { $0["type"]?.string } == ["begin", "gone", "contact", "plans", "end"])
            #expect(Self.ids(lines) == ["account-0", "account-2", "account-4"])
            #expect(lines.last?["unchanged"] == .number("8") && lines.last?["gone"] == .number("1"))
        }
    }
}
