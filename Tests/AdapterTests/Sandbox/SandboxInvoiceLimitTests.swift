import Adapters
import Domain
import DomainFakes
import Testing

@Suite("Sandbox limits of invoices", .timeLimit(.minutes(10)))
struct SandboxInvoiceLimitTests {
    private let clock = TestClock()

    private func with(_ test: (SandboxCaller) async throws -> Void) async throws {
        try await SandboxCaller.with(
            SandboxConfiguration(apps: [TestZoom.app], accounts: 200, limits: .business), clock, test)
    }

    private let range = "?from=2025-06-01&to=2026-01-31"

    @Test("invoices are listed once in five minutes and six times a day for each account")
    func list() async throws {
        try await with { caller in
            let path = caller.invoicesPath(caller.account(0)) + range
            for _ in 0..<5 {
                #expect(try await caller.get(path).status == 200)
                let early = try await caller.get(path)
                #expect(early.status == 429 && early.json["message"] == .string("Too Many Requests"))
                #expect(early.response.fields.string(.retryAfter) != nil)
                #expect(early.response.fields.string(FieldName("x-ratelimit-category")) == "Heavy")
                clock.advance(by: .seconds(300))
            }
            #expect(try await caller.get(path).status == 200)
            let spent = try await caller.get(path)
            #expect(spent.status == 429)
            #expect(
                spent.json["message"]
                    == .string(
                        "You have exceeded the daily rate limit (6) of List billing invoices API request for this account. "
                            + "This limit resets at GMT 00:00:00."))
            #expect(spent.response.fields.string(.retryAfter) == "2026-02-01T00:00:00Z")
            #expect(try await caller.get(caller.invoicesPath(caller.account(1)) + range).status == 200)
            clock.advance(by: .seconds(86_400))
            #expect(try await caller.get(path).status == 200)
            #expect(caller.sandbox.requestCounts.rateLimited == 6)
        }
    }

    @Test("the details of an invoice are read once in 30 minutes, those of another invoice at once")
    func details() async throws {
        try await with { caller in
            let account = caller.account(0)
            let ids = try await caller.invoices(of: account).compactMap { $0["id"]?.string }
            let path = "\(caller.invoicesPath(account))/\(ids[0])"
            #expect(try await caller.get(path).status == 200)
            #expect(try await caller.get(path).status == 429)
            #expect(try await caller.get("\(caller.invoicesPath(account))/\(ids[1])").status == 200)
            clock.advance(by: .seconds(1799))
            #expect(try await caller.get(path).status == 429)
            clock.advance(by: .seconds(1))
            #expect(try await caller.get(path).status == 200)
        }
    }

    @Test("an account has 100 invoice details a day")
    func dailyDetails() async throws {
        try await with { caller in
            let account = caller.account(0)
            // An unknown invoice counts too.
            for index in 0..<100 {
                #expect(try await caller.get("\(caller.invoicesPath(account))/unknown-\(index)").status == 404)
                if index % 30 == 29 { clock.advance(by: .seconds(1)) }
            }
            let spent = try await caller.get("\(caller.invoicesPath(account))/unknown")
            #expect(spent.status == 429)
            #expect(
                spent.json["message"]?.string?.hasPrefix(
                    "You have exceeded the daily rate limit (100) of Get invoice details API request") ?? false)
        }
    }

    @Test("both paths of a download have one limit, which unknown invoices do not have")
    func download() async throws {
        try await with { caller in
            let id = try await caller.invoice(of: caller.account(0))
            #expect(try await caller.getFile("/v2/billing/invoices/\(id)/download").status == 200)
            for path in ["/v2/billing/invoices/\(id)/download", "/v2/api/download/billing/invoices/\(id)"] {
                #expect(try await caller.getFile(path).status == 429)
            }
            for _ in 0..<2 {
                #expect(try await caller.getFile("/v2/billing/invoices/unknown/download").status == 404)
            }
            clock.advance(by: .seconds(1800))
            #expect(try await caller.getFile("/v2/api/download/billing/invoices/\(id)").status == 200)
        }
    }
}
