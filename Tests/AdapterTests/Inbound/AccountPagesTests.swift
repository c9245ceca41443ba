import Adapters
import Domain
import DomainFakes
import NIOCore
import Testing

/// `GET /v2/accounts` against a sandbox (Zoom: List sub accounts).
@Suite("Pages of sub accounts over HTTP", .timeLimit(.minutes(10)))
struct AccountPagesTests {
    private static let shopToken = "shop-token"

    private struct Fixture {
        let service: TestService
        let zoom: TestZoom
        let clock: TestClock

        /// The ids of all accounts, in the order of the service.
        var ids: [String] { (0..<zoom.sandbox.accounts.count).map { zoom.sandbox.accounts.id(of: $0) }.sorted() }

        var zoomPages: Int { zoom.sandbox.requestCounts.accountPages }

        /// Makes the service list all accounts.
        func list() async throws {
            _ = try await service.send("/v2/billing/stream?limit=1")
        }

        func ids(_ response: ClientResponse) -> [String] {
            response.json?["accounts"]?.array?.compactMap { $0.object?["id"]?.string } ?? []
        }

        /// All pages from the first one on.
        func pages(_ query: String, token: String = TestService.token) async throws -> [ClientResponse] {
            var pages: [ClientResponse] = []
            var next = ""
            repeat {
                let page = try await service.send("/v2/accounts?\(query)&next_page_token=\(next)", token: token)
                pages.append(page)
                try #require(page.status == 200, "\(String(buffer: page.body))")
                next = try #require(page.json?["next_page_token"]?.string)
            } while !next.isEmpty && pages.count < 500
            return pages
        }
    }

    private static func with(
        accounts: Int = 95, over transport: Transport = .h2c, rules: AccountListCache.Rules = .init(),
        callers: [String: Caller] = [:], _ test: (Fixture) async throws -> Void
    ) async throws {
        let clock = TestClock()
        let callers = FakeCallers(
            [TestService.token: .everything].merging(callers) { $1 })
        try await TestZoom.with(accounts: accounts, time: clock) { zoom in
            try await TestService.with(
                source: zoom.client, over: transport, time: clock, callers: callers, listRules: rules
            ) { service in
                try await test(Fixture(service: service, zoom: zoom, clock: clock))
            }
        }
    }

    /// A caller that may read only these accounts of the sandbox.
    private static func shop(_ ids: [String]) -> Caller {
        Caller(
            name: Name(literal: "shop"), scopes: [.billingRead],
            accounts: AllowList(ids.map { AccountID(literal: $0) }))
    }

    @Test(
        "Following the page tokens gives every account once, from Zoom's pages and from the account list",
        arguments: [1, 7, 30, 95, 300, 5000])
    func all(size: Int) async throws {
        try await Self.with { fixture in
            let clamped = min(size, 300)
            let count = (95 + clamped - 1) / clamped
            for isListed in [false, true] {
                if isListed { try await fixture.list() }
                let before = fixture.zoomPages
                let pages = try await fixture.pages("page_size=\(size)")
                #expect(pages.count == count && fixture.zoomPages == before + (isListed ? 0 : count))
                let ids = pages.flatMap(fixture.ids)
                #expect(ids.count == 95 && (isListed ? ids : ids.sorted()) == fixture.ids)
                for (number, page) in pages.enumerated() {
                    let json = try #require(page.json)
                    #expect(json["page_number"]?.integer == number + 1 && json["page_count"]?.integer == count)
                    #expect(json["page_size"]?.integer == clamped && json["total_records"]?.integer == 95)
                    #expect(page.fields.string(.contentType) == "application/json")
                }
            }
        }
    }

    @Test(
        "The first page has 30 accounts by default, with all members as Zoom sent them", arguments: Transport.allCases)
    func defaults(transport: Transport) async throws {
        try await Self.with(over: transport) { fixture in
            let zoom = try await fixture.service.send("/v2/accounts")
            #expect(fixture.ids(zoom).count == 30)
            try await fixture.list()
            let listed = try await fixture.service.send("/v2/accounts?page_size=300")
            let account = try #require(zoom.json?["accounts"]?.array?.first?.object)
            let same = listed.json?["accounts"]?.array?.first { $0.object?["id"] == account["id"] }
            #expect(same?.object == account && account.members.count >= 9)
        }
    }

    @Test("Unknown members and digits survive, and a total that Zoom does not report is absent")
    func passedThrough() async throws {
        let record = #"{"id":"b","seats":12345678901234567.890,"new":{"a":[1.0,null,"\u00e9"]},"account_name":"é"}"#
        let zoom = ScriptedHandler { request in
            switch String(decoding: request.path, as: UTF8.self) {
            case "/oauth/token": .now(.text(#"{"access_token":"t","expires_in":3600}"#))
            case "/v2/accounts": .now(.text("{\"accounts\":[\n \(record), {\"id\": 17}],\"next_page_token\":\"\"}"))
            default: .now(.text(#"{"city":"Oakland"}"#))
            }
        }
        try await TestZoom.with(zoom) { client in
            try await TestService.with(source: client) { service in
                let page = try await service.send("/v2/accounts")
                let text = String(buffer: page.body)
                #expect(
                    text == #"{"page_number":1,"page_size":30,"next_page_token":"","accounts":["# + record
                        + #",{"id":17}]}"#)
                _ = try await service.send("/v2/billing/stream?limit=1")
                let listed = String(buffer: try await service.send("/v2/accounts").body)
                #expect(listed.contains("[{\"id\":17},\(record)]") && listed.contains(#""total_records":2"#))
            }
        }
    }

    @Test("A token for Zoom's pages expires with Zoom's own, and one for the account list never expires")
    func expiry() async throws {
        try await Self.with { fixture in
            let ofZoom = try await fixture.service.send("/v2/accounts?page_size=10")
            try await fixture.list()
            let ofList = try await fixture.service.send("/v2/accounts?page_size=10")
            fixture.clock.advance(by: .seconds(16 * 60))
            let before = fixture.zoomPages
            for (page, status) in [(ofZoom, 400), (ofList, 200)] {
                let token = try #require(page.json?["next_page_token"]?.string)
                let next = try await fixture.service.send("/v2/accounts?next_page_token=\(token)")
                #expect(next.status == status)
                if status == 200 {
                    #expect(fixture.ids(next) == Array(fixture.ids[10..<20]))
                } else {
                    #expect(next.json?["code"]?.integer == 300)
                    #expect(
                        next.json?["errors"]?.array?.first?.object?["field"] == .string("next_page_token"))
                }
            }
            // The refused page, and the new list.
            #expect(fixture.zoomPages == before + 1 + 1)
        }
    }

    @Test("A token continues on another replica, which has no list yet, and after a restart")
    func replica() async throws {
        try await Self.with { fixture in
            try await fixture.list()
            let page = try await fixture.service.send("/v2/accounts?page_size=10")
            let token = try #require(page.json?["next_page_token"]?.string)
            try await TestService.with(source: fixture.zoom.client, time: fixture.clock) { other in
                let next = try await other.send("/v2/accounts?next_page_token=\(token)")
                #expect(next.status == 200 && fixture.ids(next) == Array(fixture.ids[10..<20]))
                #expect(next.json?["page_number"]?.integer == 2 && next.json?["page_size"]?.integer == 10)
            }
        }
    }

    @Test("A damaged token, one of another caller or master account, and any other text get 400 with the code 300")
    func wrongTokens() async throws {
        let callers = [
            "other": Caller(name: Name(literal: "other"), scopes: [.billingRead]),
            "second": Caller(
                name: Caller.everything.name, scopes: [.billingRead], master: Name(literal: "second")),
        ]
        try await Self.with(callers: callers) { fixture in
            let ofZoom = try await fixture.service.send("/v2/accounts?page_size=10")
            try await fixture.list()
            let ofList = try await fixture.service.send("/v2/accounts?page_size=10")
            let before = fixture.zoomPages
            for page in [ofZoom, ofList] {
                let token = try #require(page.json?["next_page_token"]?.string)
                #expect(token.wholeMatch(of: /[A-Za-z0-9_-]+/) != nil)
                var wrong = [String(token.dropLast()), token + "A", String(token.dropFirst(4)), "x", "1", "%20"]
                for index in token.indices {
                    wrong.append(
                        token[..<index] + (token[index] == "A" ? "B" : "A") + token[token.index(after: index)...])
                }
                for token in wrong {
                    let answer = try await fixture.service.send("/v2/accounts?next_page_token=\(token)")
                    #expect(answer.status == 400 && answer.json?["code"]?.integer == 300, "\(token)")
                }
                for caller in ["other", "second"] {
                    let answer = try await fixture.service.send("/v2/accounts?next_page_token=\(token)", token: caller)
                    #expect(answer.status == 400, "\(caller)")
                }
                for parameter in ["page_size=11", "sub_reseller_id=r1"] {
                    let answer = try await fixture.service.send("/v2/accounts?next_page_token=\(token)&\(parameter)")
                    #expect(answer.status == 400)
                }
            }
            #expect(fixture.zoomPages == before)
        }
    }

    @Test(
        "A parameter that is unknown, repeated or not a number from 1 gets 400",
        arguments: [
            "page_size=0", "page_size=-1", "page_size=1.5", "page_size=", "page_size=many", "page_size=+1",
            "page_number=0", "page_number=x", "sub_reseller_id=", "sub_reseller_id=a%20b", "page_size=1&page_size=2",
            "after=a", "page_size=%zz",
        ])
    func parameters(query: String) async throws {
        try await Self.with { fixture in
            let answer = try await fixture.service.send("/v2/accounts?\(query)")
            #expect(answer.status == 400 && answer.json?["code"]?.integer == 300)
            #expect(answer.json?["errors"]?.array?.count == 1)
            #expect(fixture.zoomPages == 0)
        }
    }

    @Test(
        "page_number selects a page, of Zoom's pages and of the account list, and a number beyond the last gets no accounts"
    )
    func pageNumber() async throws {
        try await Self.with { fixture in
            for isListed in [false, true] {
                if isListed { try await fixture.list() }
                let pages = try await fixture.pages("page_size=40")
                for number in 1...3 {
                    let page = try await fixture.service.send("/v2/accounts?page_size=40&page_number=\(number)")
                    #expect(fixture.ids(page) == fixture.ids(pages[number - 1]))
                    #expect(page.json?["page_number"]?.integer == number)
                }
                for number in ["4", "1000000000", "99999999999999999999"] {
                    let page = try await fixture.service.send("/v2/accounts?page_size=40&page_number=\(number)")
                    #expect(page.status == 200 && fixture.ids(page).isEmpty)
                }
            }
        }
    }

    @Test("A caller with an allow-list gets its own accounts, and nothing about the number of others")
    func allowList() async throws {
        let clock = TestClock()
        for accounts in [95, 700] {
            let sandbox = SandboxZoom(
                configuration: SandboxConfiguration(apps: [TestZoom.app], accounts: accounts), time: clock)
            let own = [5, 3, 42].map { sandbox.accounts.id(of: $0) } + ["nobody"]
            try await Self.with(accounts: accounts, callers: [Self.shopToken: Self.shop(own)]) { fixture in
                let pages = try await fixture.pages("page_size=2", token: Self.shopToken)
                #expect(pages.flatMap(fixture.ids) == own.prefix(3).sorted() && pages.count == 2)
                for page in pages {
                    #expect(page.json?["total_records"]?.integer == 3 && page.json?["page_count"]?.integer == 2)
                    #expect(page.fields.string(.age) == "0")
                }
                // One listing for both pages.
                #expect(fixture.zoomPages == (accounts + 299) / 300)
                // A token for Zoom's pages, even if it has the form of one of this caller.
                let token = AccountPageToken(
                    position: .source(token: "x", number: 2), size: 30, filter: .all)
                let foreign = try #require(token.text(for: Self.shop(own)))
                let refused = try await fixture.service.send(
                    "/v2/accounts?next_page_token=\(foreign)", token: Self.shopToken)
                #expect(refused.status == 400 && fixture.zoomPages == (accounts + 299) / 300)
            }
        }
    }

    @Test(
        "If the records of the list exceed their limit, all accounts are still given: from Zoom, or from a list of the caller's own"
    )
    func recordsOverLimit() async throws {
        var rules = AccountListCache.Rules()
        rules.recordBytesMax = 2000
        let sandbox = SandboxZoom(
            configuration: SandboxConfiguration(apps: [TestZoom.app], accounts: 700), time: TestClock())
        let own = [5, 3].map { sandbox.accounts.id(of: $0) }
        try await Self.with(accounts: 700, rules: rules, callers: [Self.shopToken: Self.shop(own)]) { fixture in
            try await fixture.list()
            let pages = try await fixture.pages("page_size=300")
            #expect(pages.flatMap(fixture.ids).sorted() == fixture.ids && fixture.zoomPages == 3 + 3)
            let shop = try await fixture.pages("page_size=300", token: Self.shopToken)
            #expect(shop.flatMap(fixture.ids) == own.sorted())
            // All accounts of the caller are on the first page of the list.
            #expect(fixture.zoomPages == 3 + 3 + 1)
        }
    }

    @Test("A page has Age, Cache-Control, ETag and Last-Modified, and a conditional request for the same page gets 304")
    func caching() async throws {
        try await Self.with { fixture in
            let fresh = try await fixture.service.send("/v2/accounts?page_size=10")
            #expect(fresh.fields.string(.age) == "0" && fresh.fields.string(.cacheControl) == "private, max-age=0")
            try await fixture.list()
            fixture.clock.advance(by: .seconds(17))
            let before = fixture.zoomPages
            let target = "/v2/accounts?page_size=10"
            let page = try await fixture.service.send(target)
            #expect(page.fields.string(.age) == "17" && page.fields.string(.cacheControl) == "private, max-age=300")
            #expect(page.fields.string(.lastModified) == "Sat, 31 Jan 2026 12:00:00 GMT")
            #expect(page.fields.string(.vary) == "accept, authorization")
            let etag = try #require(page.fields.string(.etag))
            let next = try #require(page.json?["next_page_token"]?.string)
            let second = try await fixture.service.send("/v2/accounts?next_page_token=\(next)")
            #expect(second.fields.string(.etag) != etag)
            for field in [(FieldName.ifNoneMatch, etag), (.ifModifiedSince, "Sat, 31 Jan 2026 12:00:00 GMT")] {
                let unchanged = try await fixture.service.send(target, [field])
                #expect(unchanged.status == 304 && unchanged.body.readableBytes == 0)
                #expect(unchanged.fields.string(.etag) == etag && unchanged.fields.string(.age) == "17")
            }
            let head = try await fixture.service.send(target, method: "HEAD")
            #expect(head.status == 200 && head.body.readableBytes == 0 && head.fields.string(.etag) == etag)
            #expect(head.fields.string(.contentLength) == "\(page.body.readableBytes)")
            #expect(try await fixture.service.send(target, [(.cacheControl, "only-if-cached")]).status == 200)
            #expect(fixture.zoomPages == before)
            for directive in ["no-cache", "max-age=16", "min-fresh=284"] {
                let new = try await fixture.service.send(target, [(.cacheControl, directive)])
                #expect(new.status == 200 && new.fields.string(.age) == "0", "\(directive)")
            }
            #expect(fixture.zoomPages == before + 3)
            fixture.clock.advance(by: .seconds(1000))
            #expect(try await fixture.service.send(target, [(.cacheControl, "only-if-cached")]).status == 504)
            #expect(try await fixture.service.send(target, [(.accept, "text/csv")]).status == 406)
        }
    }

    @Test("The sub accounts of one reseller have pages of their own")
    func reseller() async throws {
        try await Self.with { fixture in
            let before = try await fixture.service.send("/v2/accounts?sub_reseller_id=nobody")
            #expect(before.status == 200 && fixture.ids(before).isEmpty)
            _ = try await fixture.service.send("/v2/billing/stream?limit=1&sub_reseller_id=nobody")
            let pages = fixture.zoomPages
            let listed = try await fixture.service.send("/v2/accounts?sub_reseller_id=nobody")
            #expect(fixture.ids(listed).isEmpty && listed.json?["total_records"]?.integer == 0)
            #expect(fixture.zoomPages == pages)
            _ = try await fixture.service.send("/v2/accounts")
            #expect(fixture.zoomPages == pages + 1)
        }
    }
}

extension TestService {
    fileprivate func send(_ target: String, _ fields: [(FieldName, String)]) async throws(HTTPFailure)
        -> ClientResponse
    {
        try await send(target, method: "GET", token: Self.token, fields)
    }
}
