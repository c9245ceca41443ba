import Adapters
import Domain
import DomainFakes
import Testing

@Suite("Sandbox invoices", .timeLimit(.minutes(10)))
struct SandboxInvoiceTests {
    /// An amount in hundredths, from its JSON number: a whole number, or one with two decimals.
    private func hundredths(_ value: JSONValue?) throws -> Int {
        guard case .number(let text) = value, let amount = text.wholeMatch(of: /(-?[0-9]+)(?:\.([0-9]{2}))?/),
            let number = Int("\(amount.output.1)\(amount.output.2 ?? "00")")
        else { throw NotAnAmount() }
        return number
    }

    private struct NotAnAmount: Error {}

    @Test(
        "the items of an invoice add up to its total and tax, and its balance fits its status",
        arguments: [0, 1, 2, 3, 5, 11, 27, 52, 60, 77, 87])
    func sums(number: Int) async throws {
        try await SandboxCaller.with { caller in
            let account = caller.account(number)
            let invoices = try await caller.invoices(of: account)
            #expect((12...13).contains(invoices.count))
            for summary in invoices {
                let id = try #require(summary["id"]?.string)
                let details = try await caller.get("\(caller.invoicesPath(account))/\(id)")
                #expect(details.status == 200)
                for member in summary.members {
                    #expect(details.json[member.name] == member.value, "\(member.name) of \(id)")
                }
                let items = try #require(details.json["invoice_items"]?.array).compactMap(\.object)
                let total = try hundredths(summary["total_amount"])
                #expect(try items.reduce(0) { $0 + (try hundredths($1["total_amount"])) } == total)
                #expect(
                    try items.reduce(0) { $0 + (try hundredths($1["tax_amount"])) }
                        == (try hundredths(summary["tax_amount"])))
                let balance = try hundredths(summary["balance"])
                switch summary["status"]?.string {
                case "Draft", "\"Draft\"": #expect(balance == total)
                case "Posted", "\"Posted\"": #expect((0...total).contains(balance))
                case "Canceled", "Error": #expect(balance == 0)
                case let status: Issue.record("unknown status \(status ?? "none")")
                }
            }
        }
    }

    @Test("an account has an invoice for each month of the last three years")
    func monthly() async throws {
        try await SandboxCaller.with { caller in
            let account = caller.account(4)
            var dates: [String] = []
            for (from, to) in [
                ("2023-01-31", "2024-01-30"), ("2024-01-31", "2025-01-30"), ("2025-01-31", "2026-01-31"),
            ] {
                let found = try await caller.invoices(of: account, from: from, to: to).compactMap {
                    $0["invoice_date"]?.string
                }
                #expect(found.allSatisfy { $0 >= from && $0 <= to })
                dates += found
            }
            #expect(dates.count == 36 && dates == dates.sorted() && Set(dates.map { $0.prefix(7) }).count == 36)
        }
    }

    @Test("a list has only invoices with a date in the range, which includes both ends")
    func range() async throws {
        try await SandboxCaller.with { caller in
            let account = caller.account(4)
            // The invoices of this account have the fifth day of the month.
            let counts = [
                ("2025-03-05", "2025-03-05", 1), ("2025-03-06", "2025-04-04", 0), ("2025-03-05", "2025-05-05", 3),
                ("2026-01-06", "2026-12-31", 0),
            ]
            for (from, to, count) in counts {
                let invoices = try await caller.invoices(of: account, from: from, to: to)
                #expect(invoices.count == count)
            }
        }
    }

    @Test(
        "dates that are missing, invalid, in the wrong order or out of range are refused",
        arguments: [
            ("", "Missing field: from.", ""), ("from=2025-01-01", "Missing field: to.", ""),
            ("from=&to=2025-01-01", "Missing field: from.", ""),
            ("from=2025-1-1&to=2025-01-02", "Invalid field.", "from"),
            ("from=2025-01-01&to=2025-02-29", "Invalid field.", "to"),
            ("from=2025-01-01&to=2025-13-01", "Invalid field.", "to"),
            ("from=2025-01-01T00:00:00Z&to=2025-01-02", "Invalid field.", "from"),
            ("from=2025-01-02&to=2025-01-01", "The start date is after the end date.", "from"),
            ("from=2024-06-01&to=2025-06-02", "The date range is longer than one year.", "to"),
            ("from=2023-01-30&to=2023-02-01", "The start date is more than three years ago.", "from"),
            ("from=2025-01-01&from=2025-01-01&to=2025-01-02", "Validation Failed.", ""),
        ])
    func dates(query: String, message: String, field: String) async throws {
        try await SandboxCaller.with { caller in
            let answer = try await caller.get("\(caller.invoicesPath(caller.account(0)))?\(query)")
            #expect(answer.status == 400 && answer.json["code"] == .number("300"))
            let error = answer.json["errors"]?.array?.first?.object
            #expect(error?["field"]?.string ?? "" == field)
            #expect((error ?? answer.json)["message"] == .string(message))
        }
    }

    @Test(
        "a range of exactly one year is valid, and one day more is not",
        arguments: [("2025-01-31", "2026-01-31", "2026-02-01"), ("2024-02-29", "2025-02-28", "2025-03-01")])
    func year(from: String, to: String, after: String) async throws {
        try await SandboxCaller.with { caller in
            let path = caller.invoicesPath(caller.account(0))
            let longest = try await caller.get("\(path)?from=\(from)&to=\(to)")
            #expect(longest.status == 200)
            let longer = try await caller.get("\(path)?from=\(from)&to=\(after)")
            #expect(longer.status == 400)
        }
    }

    @Test("a range of exactly one year that starts exactly three years ago is valid")
    func longestRange() async throws {
        try await SandboxCaller.with { caller in
            let invoices = try await caller.invoices(of: caller.account(0), from: "2023-01-31", to: "2024-01-31")
            #expect(invoices.count == 12)
        }
    }

    @Test("only the id of an existing invoice of the account is found")
    func ids() async throws {
        try await SandboxCaller.with { caller in
            let account = caller.account(0)
            let id = try await caller.invoice(of: account)
            #expect(id.wholeMatch(of: /2c92[0-9a-f]{28}/) != nil)
            #expect(try await caller.get("\(caller.invoicesPath(account))/\(id)").status == 200)
            let foreign = try await caller.invoice(of: caller.account(1))
            let wrong = [
                foreign, String(id.reversed()), String(id.dropLast()), id.uppercased(), "x", id + "0",
                String(id.dropLast()) + (id.hasSuffix("0") ? "1" : "0"),
            ]
            for id in wrong {
                let answer = try await caller.get("\(caller.invoicesPath(account))/\(id)")
                #expect(answer.status == 404 && answer.json["code"] == .number("404"))
                #expect(answer.json["message"] == .string("Invoice does not exist: \(id)."))
            }
        }
    }

    @Test("every account has its own invoices, with ids in no order")
    func distinct() async throws {
        try await SandboxCaller.with { caller in
            var ids: [String] = []
            for number in 0..<20 {
                ids += try await caller.invoices(of: caller.account(number)).compactMap { $0["id"]?.string }
            }
            #expect(Set(ids).count == ids.count && ids != ids.sorted())
        }
    }

    @Test("the invoice of this month appears on its day, is a draft first, and is due for 30 days")
    func time() async throws {
        let clock = TestClock()
        try await SandboxCaller.with(SandboxConfiguration(apps: [TestZoom.app], accounts: 200), clock) { caller in
            let account = caller.account(0)
            func latest() async throws -> JSONObject? {
                try await caller.invoices(of: account, from: "2026-02-01", to: "2026-02-28").last
            }
            #expect(try await latest() == nil)
            clock.advance(by: .seconds(86_400))
            let draft = try #require(try await latest())
            #expect(draft["status"] == .string("Draft") && draft["balance"] == draft["total_amount"])
            clock.advance(by: .seconds(4 * 86_400))
            let posted = try #require(try await latest())
            #expect(posted["status"] == .string("Posted") && posted["balance"] == posted["total_amount"])
            #expect(posted["id"] == draft["id"] && posted["total_amount"] == draft["total_amount"])
            clock.advance(by: .seconds(40 * 86_400))
            #expect(try #require(try await latest())["balance"] == .number("0"))
        }
    }

    @Test("amounts have all digits, and items may be credits")
    func amounts() async throws {
        try await SandboxCaller.with { caller in
            let long = try await caller.invoices(of: caller.account(77))
            #expect(long.allSatisfy { $0["total_amount"] == .number("12345678901234567.89") })
            let account = caller.account(5)
            let january = try #require(
                try await caller.invoices(of: account, from: "2026-01-01", to: "2026-01-31").first?["id"]?.string)
            let details = try await caller.get("\(caller.invoicesPath(account))/\(january)")
            let amounts = try #require(details.json["invoice_items"]?.array).map {
                try hundredths($0.object?["total_amount"])
            }
            #expect(amounts.contains { $0 < 0 } && amounts.contains { $0 > 0 })
        }
    }

    @Test("the app reads its own invoices and usage as me")
    func own() async throws {
        try await SandboxCaller.with { caller in
            let id = try await caller.invoice(of: "me")
            #expect(try await caller.get("\(caller.invoicesPath("me"))/\(id)").status == 200)
            #expect(try await caller.get("\(caller.invoicesPath(caller.account(0)))/\(id)").status == 404)
            #expect(try await caller.get("/v2/accounts/me/plans/usage").status == 200)
            for path in ["/v2/accounts/me", "/v2/accounts/me/billing", "/v2/accounts/me/plans"] {
                #expect(try await caller.get(path).json["message"] == .string("Account does not exist: me."))
            }
        }
    }
}
