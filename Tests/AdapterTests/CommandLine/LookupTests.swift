import Adapters
import Testing

@Suite("billing-service get, plans, usage, invoices, accounts", .timeLimit(.minutes(10)))
struct LookupTests {
    private static let contact =
        #"{"address":"12 Harbour Street","apt":"","city":"Köln","country":"DE","zip":94607,"new":{"a":[1,2]}}"#

    private static let plans = """
        {"plan_base":{"type":"business_yearly","hosts":40,"status":"active","service_effective_date":"2026-02-01",\
        "next_invoice_date":"2027-02-01","overage_price":0.10},\
        "plan_webinar":[{"type":"webinar500_monthly","hosts":2,"status":"cancelled"}],\
        "plan_recording":"cmr_monthly_commitment_40","plan_recording_status":"Active",\
        "plan_recording_next_invoice_date":"2026-12-01",\
        "plan_phone":{"plan_base":{"type":"pbx"},"plan_number":[{"type":"did","hosts":7}]}}
        """

    private static let usage = """
        {"plan_base":{"type":"business_yearly","hosts":40,"usage":31,"pending":2,"active_hosts":29},\
        "plan_recording":{"type":"cmr","free_storage":"3 GB","plan_storage":"100 GB"}}
        """

    private static let invoices = """
        {"currency":"USD","invoices":[{"id":"2c92a0f9","invoice_number":"INV1","invoice_date":"2026-03-01",\
        "due_date":"2026-03-31","target_date":"2026-03-01","status":"Posted","total_amount":12345678901234567.89,\
        "tax_amount":0,"balance":0.10},{"id":"3d","invoice_number":"INV2","invoice_date":"2026-04-01",\
        "due_date":"2026-04-30","status":"Draft","total_amount":5,"tax_amount":1.50,"balance":5,"note":"new"}]}
        """

    private static let invoice = """
        {"id":"2c92a0f9","invoice_number":"INV1","currency":"USD","total_amount":1999.50,"invoice_items":[\
        {"charge_name":"Business, yearly","charge_number":"C-71","charge_type":"Recurring","start_date":"2026-03-01",\
        "end_date":"2027-02-28","quantity":10,"total_amount":1999.50,"tax_amount":0,"partner_sku":"PAR"}]}
        """

    private static let account =
        #"{"id":"Qx7","owner_email":"a@example.com","options":{"share_rc":false,"pay_mode":"master","list":["a","b"]}}"#

    @Test(
        "each command prints a table of the answer",
        arguments: [
            (
                ["get", "Qx7"], "/v2/accounts/Qx7/billing", contact,
                """
                address  12 Harbour Street
                apt
                city     Köln
                country  DE
                zip      94607
                new.a    1, 2

                """
            ),
            (
                ["plans", "Qx7"], "/v2/accounts/Qx7/plans", plans,
                """
                PLAN                    TYPE                       HOSTS  STATUS     EFFECTIVE   NEXT-INVOICE  OTHER
                plan_base               business_yearly               40  active     2026-02-01  2027-02-01    overage_price=0.10
                plan_webinar            webinar500_monthly             2  cancelled  -           -
                plan_recording          cmr_monthly_commitment_40      -  Active     -           2026-12-01
                plan_phone.plan_base    pbx                            -  -          -           -
                plan_phone.plan_number  did                            7  -          -           -

                """
            ),
            (
                ["usage", "Qx7"], "/v2/accounts/Qx7/plans/usage", usage,
                """
                PLAN            TYPE             HOSTS  USAGE  PENDING  OTHER
                plan_base       business_yearly     40     31        2  active_hosts=29
                plan_recording  cmr                  -      -        -  free_storage=3 GB plan_storage=100 GB

                """
            ),
            (
                ["invoices", "Qx7", "--from", "2026-01-01", "--to", "2026-06-30"],
                "/v2/accounts/Qx7/billing/invoices?from=2026-01-01&to=2026-06-30", invoices,
                """
                ID        NUMBER  DATE        STATUS                 TOTAL   TAX  BALANCE  CURRENCY  DUE         TARGET      OTHER
                2c92a0f9  INV1    2026-03-01  Posted  12345678901234567.89     0     0.10  USD       2026-03-31  2026-03-01
                3d        INV2    2026-04-01  Draft                      5  1.50        5  USD       2026-04-30  -           note=new

                """
            ),
            (
                ["invoices", "Qx7", "2c92a0f9"], "/v2/accounts/Qx7/billing/invoices/2c92a0f9", invoice,
                """
                id              2c92a0f9
                invoice_number  INV1
                currency        USD
                total_amount    1999.50

                CHARGE            NUMBER  TYPE       START       END         QUANTITY    TOTAL  TAX  OTHER
                Business, yearly  C-71    Recurring  2026-03-01  2027-02-28        10  1999.50    0  partner_sku=PAR

                """
            ),
            (
                ["accounts", "Qx7"], "/v2/accounts/Qx7", account,
                """
                id                Qx7
                owner_email       a@example.com
                options.share_rc  false
                options.pay_mode  master
                options.list      a, b

                """
            ),
        ])
    func tables(arguments: [String], target: String, answer: String, expected: String) async throws {
        let answers = [target: Reply.json(answer)]
        let table = try await FakeBilling.run(arguments, answers: answers)
        #expect(table.status == 0 && table.output == expected, "\(table)")
        let json = try await FakeBilling.run(arguments + ["--json"], answers: answers)
        #expect(json.status == 0 && json.output == answer + "\n", "\(json)")
    }

    @Test("without dates, invoices of one year are listed, up to today")
    func period() async throws {
        let fake = FakeBilling([:])
        try await withServer(fake) { server in
            let url = ["--url", "http://127.0.0.1:\(server.port)"]
            let environment = ["BILLING_TOKEN": "token"]
            for dates in [[], ["--to", "2024-02-29"], ["--from", "2020-01-05"]] {
                _ = await TestProcess.run(
                    TestProcess.billingService, ["invoices", "a"] + url + dates, environment: environment)
            }
        }
        let path = "/v2/accounts/a/billing/invoices?"
        let today = await TestProcess.run("date", ["-u", "+%F"]).lines[0]
        #expect(fake.targets[0].hasPrefix(path) && fake.targets[0].hasSuffix("&to=\(today)"))
        #expect(fake.targets[1...] == [path + "from=2023-03-01&to=2024-02-29", path + "from=2020-01-05&to=2021-01-05"])
    }

    @Test("ids are percent-encoded, and an id that begins with a dash is accepted after --")
    func ids() async throws {
        let fake = FakeBilling(["/one/v2/accounts/-a%2Bb%3D/billing/invoices/-h.": .json("{}")])
        try await withServer(fake) { server in
            let url = ["--url", "http://127.0.0.1:\(server.port)/one/"]
            let environment = ["BILLING_TOKEN": "token"]
            let found = await TestProcess.run(
                TestProcess.billingService, ["invoices"] + url + ["--", "-a+b=", "-h."], environment: environment)
            #expect(found.status == 0 && found.errors.isEmpty, "\(found)")
            for arguments in [["get", "-hxy"], ["invoices", "show", "a", "-b1"]] {
                let refused = await TestProcess.run(
                    TestProcess.billingService, arguments + url, environment: environment)
                #expect(refused.status == 64 && refused.output.isEmpty, "\(refused)")
                #expect(refused.errors.contains("Put -- before an id that begins with a dash"), "\(refused)")
            }
        }
        #expect(fake.targets.count == 1)
    }

    // MARK: The list of accounts

    private static func page(_ ids: [String], next: String) -> Reply {
        let accounts = ids.map { #"{"id":"\#($0)","account_name":"N","seats":12.0,"x":"\u00e9"}"# }.joined(
            separator: ",")
        return .json(#"{"page_size":300,"next_page_token":"\#(next)","accounts":[\#(accounts)]}"#)
    }

    @Test("accounts follows the pages to the end, or up to --limit")
    func pages() async throws {
        let answers = [
            "/v2/accounts?page_size=300": Self.page(["a", "b"], next: "t /1"),
            "/v2/accounts?page_size=300&next_page_token=t%20%2F1": Self.page(["longer-id"], next: ""),
            "/v2/accounts?page_size=1": Self.page(["a"], next: "t"),
            "/v2/accounts?page_size=2": Self.page(["a", "b", "c"], next: "t"),
        ]
        let all = try await FakeBilling.run(["accounts"], answers: answers)
        #expect(all.status == 0 && all.lines.count == 4, "\(all)")
        #expect(all.lines[0].split(separator: " ").first == "ID" && all.lines[1].hasPrefix("a   N     -"), "\(all)")
        #expect(all.lines[3].hasPrefix("longer-id  N     -") && all.lines[3].hasSuffix("x=é"), "\(all)")
        let json = try await FakeBilling.run(["accounts", "--json"], answers: answers)
        #expect(
            json.lines == ["a", "b", "longer-id"].map { #"{"id":"\#($0)","account_name":"N","seats":12.0,"x":"é"}"# },
            "\(json)")
        for (limit, count) in [(1, 1), (2, 2)] {
            let some = try await FakeBilling.run(["accounts", "--json", "--limit", "\(limit)"], answers: answers)
            #expect(some.status == 0 && some.lines.count == count, "\(some)")
        }
    }

    @Test("a list of accounts whose pages repeat is an error, after the accounts so far")
    func endless() async throws {
        let answers = [
            "/v2/accounts?page_size=300": Self.page(["a"], next: "t"),
            "/v2/accounts?page_size=300&next_page_token=t": Self.page(["b"], next: "t"),
        ]
        let outcome = try await FakeBilling.run(["accounts", "--json"], answers: answers)
        #expect(outcome.status == 1 && outcome.lines.count == 2, "\(outcome)")
        #expect(outcome.errors.hasSuffix(": the list of accounts does not end\n"), "\(outcome)")
    }

    @Test("accounts are printed as they arrive")
    func streaming() async throws {
        let (first, second) = (Event<Void>(), Event<Void>())
        let handler = ScriptedHandler { request in
            let isFirst = !String(decoding: request.target, as: UTF8.self).contains("next_page_token")
            guard !isFirst else { return Self.page(["one"], next: "t") }
            return .eventually {
                first.fire()
                _ = try? await second.next()
                return .text(#"{"accounts":[{"id":"two"}]}"#, contentType: "application/json")
            }
        }
        try await withServer(handler) { server in
            let process = TestProcess(
                TestProcess.billingService, ["accounts", "--url", "http://127.0.0.1:\(server.port)"],
                environment: ["BILLING_TOKEN": "token"])
            _ = try await first.next()
            let output = try await process.output(containing: "one")
            #expect(!output.contains("two"))
            second.fire()
            let outcome = await process.outcome()
            #expect(outcome.status == 0 && outcome.output.contains("two"), "\(outcome)")
        }
    }

    // MARK: The service

    @Test("the commands show what the service and its sandbox answer")
    func service() async throws {
        try await RunningService.with { service in
            let id = try #require(service.accountPath.split(separator: "/").dropFirst(2).first.map(String.init))
            for (arguments, expected) in [
                (["get", id], "country"), (["plans", id], "plan_base"), (["usage", id], "plan_base"),
                (["accounts", id], "options.pay_mode"),
            ] {
                let outcome = await TestProcess.run(
                    TestProcess.billingService, arguments + ["--url", service.base],
                    environment: ["BILLING_TOKEN": service.token])
                #expect(outcome.status == 0 && outcome.output.contains(expected), "\(arguments): \(outcome)")
                #expect(outcome.errors.isEmpty)
            }
        }
    }

    // MARK: Output

    @Test("output that cannot be written is an error, and a reader that stops early is none")
    func output() async throws {
        let accounts = (0..<300).map { "account-\($0)" }
        let answers = [
            "/v2/accounts?page_size=300": Self.page(accounts, next: "t"),
            "/v2/accounts?page_size=300&next_page_token=t": Self.page(accounts, next: ""),
        ]
        try await withServer(FakeBilling(answers)) { server in
            let command = "\"$0\" accounts --url http://127.0.0.1:\(server.port)"
            for (redirection, reason) in [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")] {
                let outcome = await TestProcess.run(
                    "sh", ["-c", "\(command) \(redirection)", TestProcess.billingService],
                    environment: ["BILLING_TOKEN": "token"])
                #expect(outcome.status == 1, "\(outcome)")
                #expect(outcome.errors == "billing-service: standard output cannot be written: \(reason)\n")
            }
            let head = await TestProcess.run(
                "bash", ["-c", "\(command) | head -2; echo ${PIPESTATUS[0]}", TestProcess.billingService],
                environment: ["BILLING_TOKEN": "token"])
            #expect(head.errors.isEmpty && head.lines.count == 3, "\(head)")
            #expect(["141", "0"].contains(head.lines.last), "\(head)")
        }
    }
}
