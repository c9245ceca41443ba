import Adapters
import Domain
import Foundation
import Synchronization
import Testing

/// `--include` of `billing-service export`, with `--from` and `--to`.
@Suite("billing-service export: kinds of data", .timeLimit(.minutes(10)))
struct ExportKindsTests {
    private static let program = TestProcess.billingService

    /// The account and the kind of each line; a failure names its kind.
    private static func records(_ text: String) throws -> [String] {
        try text.split(separator: "\n").map { line in
            let object = try #require((try? JSONValue(parsing: Array(line.utf8)))?.object)
            let kind = try #require(object["kind"]?.string ?? object["type"]?.string)
            return "\(try #require(object["account_id"]?.string)) \(kind)"
        }
    }

    private static func records(_ ids: [String], _ kinds: [String]) -> [String] {
        ids.flatMap { id in kinds.map { "\(id) \($0)" } }
    }

    /// Exports from a sandbox, which has the same data in every process.
    private func exportFromSandbox(_ arguments: String...) async -> TestProcess.Outcome {
        await TestProcess.run(
            Self.program, ["export", "--sandbox", "--sandbox-accounts", "60", "--output", "-"] + arguments)
    }

    /// Days that Zoom permits in the next years.
    private static var period: (from: String, to: String) {
        let today = CalendarDate(of: SystemTime().timestamp)
        return (today.adding(years: -1)?.description ?? "", today.description)
    }

    @Test("an export killed at 30 random instants and resumed has every kind of every account exactly once")
    func killed() async throws {
        try await FiledService.with(accounts: 1500) { service in
            let token = try await service.token(
                of: "job", "--scopes", "billing:export,billing:read,plans:read", "--master", "main")
            try await service.wait(for: 200, service.account(of: service.main), token: token)
            let export =
                "\(Self.program) export --url \(service.base) --output out --resume --include contact,plans,usage"
            let script = """
                kills=0; finished=0
                while [ $kills -lt 30 ]; do
                  \(export) > /dev/null 2>&1 & pid=$!
                  sleep 0.$(printf %02d $(( $(od -An -N1 -tu1 /dev/urandom) % 60 )))
                  if kill -9 $pid 2> /dev/null; then kills=$((kills + 1)); fi
                  wait $pid 2> /dev/null || true
                  if [ -e out ]; then
                    mv out "finished-$finished"; finished=$((finished + 1)); rm -f out.partial.state
                  fi
                done
                \(export) > /dev/null 2>&1 || [ $? = 3 ]
                mv out "finished-$finished"
                """
            let outcome = await TestProcess.run(
                "sh", ["-ec", "mkdir \(service.folder)/k; cd \(service.folder)/k\n" + script],
                environment: ["BILLING_TOKEN": token])
            #expect(outcome.status == 0, "\(outcome)")
            let ids = (0..<1500).map { service.main.accounts.id(of: $0) }.sorted()
            let expected = Self.records(ids, ["contact", "plans", "usage"])
            let files = try FileManager.default.contentsOfDirectory(atPath: service.folder + "/k")
            #expect(files.contains("finished-0"))
            for file in files where file.hasPrefix("finished") {
                let text = try String(contentsOfFile: "\(service.folder)/k/\(file)", encoding: .utf8)
                let found = try Self.records(text)
                #expect(found == expected, "\(file)")
            }
        }
    }

    @Test(
        "a page that ends between two kinds of one account is requested again as a whole",
        arguments: [
            // The connection breaks.
            [],
            // The stream claims to be complete.
            [
                #"{"type":"end","complete":true,"contacts":1,"failures":0,"by_kind":{"contact":{"records":1,"failures":0}}}"#
            ],
        ])
    func betweenKinds(end: [String]) async throws {
        let ids = (100..<250).map { "account-\($0)" }
        let streams = FakeStreams(ids: ids) { number in
            guard number == 2 else { return nil }
            let contact = #"{"type":"contact","account_id":"account-200","as_of":"2030-01-31T12:00:00Z","billing":{}}"#
            return FakeStreams.stream([contact] + end)
        }
        try await withServer(streams) { server in
            try await withTemporaryFolder { folder in
                let outcome = await TestProcess.run(
                    Self.program,
                    [
                        "export", "--url", "http://127.0.0.1:\(server.port)", "--output", folder + "/out", "--include",
                        "usage,contact",
                    ], environment: ["BILLING_TOKEN": "token"])
                #expect(outcome.status == 0, "\(outcome)")
                let text = try String(contentsOfFile: folder + "/out", encoding: .utf8)
                #expect(try Self.records(text) == Self.records(ids, ["contact", "usage"]))
                #expect(outcome.errors.contains("accounts  150"), "\(outcome.errors)")
                let targets = streams.state.withLock { $0.targets }
                #expect(targets.allSatisfy { $0.contains("include=contact%2Cusage") })
                // The second and the third request continue after the last account of the first page.
                #expect(targets.filter { $0.contains("after=account-199") }.count == 2)
            }
        }
    }

    @Test("chosen accounts have all kinds, and --resume is refused with other kinds or days")
    func identity() async throws {
        let streams = FakeStreams(ids: ["a", "b"])
        try await withServer(streams) { server in
            try await withTemporaryFolder { folder in
                try write("b\na\nb\n", to: folder + "/wanted")
                func export(_ arguments: String...) async -> TestProcess.Outcome {
                    await TestProcess.run(
                        Self.program,
                        [
                            "export", "--url", "http://127.0.0.1:\(server.port)", "--output", folder + "/out",
                            "--accounts-from", folder + "/wanted", "--resume",
                        ] + arguments, environment: ["BILLING_TOKEN": "token"])
                }
                #expect(await export("--include", "plans,usage").status == 0)
                let text = try String(contentsOfFile: folder + "/out", encoding: .utf8)
                #expect(try Self.records(text) == Self.records(["b", "a", "b"], ["plans", "usage"]))
                #expect(await export("--include", "usage,plans").status == 0)
                for arguments in [["--include", "plans"], []] {
                    let other = await TestProcess.run(
                        Self.program,
                        [
                            "export", "--url", "http://127.0.0.1:\(server.port)", "--output", folder + "/out",
                            "--accounts-from", folder + "/wanted", "--resume",
                        ] + arguments, environment: ["BILLING_TOKEN": "token"])
                    #expect(other.status == 1 && other.errors.contains("include plans usage"), "\(other)")
                }
                #expect(streams.requestCount == 1)
            }
        }
    }

    @Test("an export without a service has all kinds of data, and reports the number of each")
    func allKinds() async throws {
        let (from, to) = Self.period
        let outcome = await exportFromSandbox("--include", "invoices,usage,plans,contact", "--from", from, "--to", to)
        #expect(outcome.status == 3, "\(outcome.errors)")
        let records = try Self.records(outcome.output)
        #expect(records.count == 240)
        let kinds = ["contact", "plans", "usage", "invoices"]
        #expect(records.map { String($0.split(separator: " ")[1]) } == (0..<60).flatMap { _ in kinds })
        for name in ["accounts", "contacts", "plans", "usage", "invoices", "failures"] {
            #expect(outcome.errors.contains(name), "\(outcome.errors)")
        }
    }

    @Test(
        "--spreadsheet leaves negative amounts of invoices as numbers, and escapes other values that begin with a sign")
    func spreadsheet() async throws {
        let invoices = #"{"currency":"-USD","invoices":[{"id":"-1","total_amount":-12.50,"balance":"=1+1"}]}"#
        let line = #"{"type":"invoices","account_id":"a","as_of":"2030-01-31T12:00:00Z","invoices":\#(invoices)}"#
        let end = #"{"type":"end","complete":true,"by_kind":{"invoices":{"records":1,"failures":0}}}"#
        let streams = FakeStreams(ids: ["a"]) { _ in FakeStreams.stream([line, end]) }
        let (from, to) = Self.period
        try await withServer(streams) { server in
            let outcome = await TestProcess.run(
                Self.program,
                [
                    "export", "--url", "http://127.0.0.1:\(server.port)", "--output", "-", "--include", "invoices",
                    "--from", from, "--to", to, "--format", "csv", "--spreadsheet",
                ], environment: ["BILLING_TOKEN": "token"])
            #expect(outcome.status == 0, "\(outcome)")
            #expect(
                outcome.output.contains(
                    #""a","2030-01-31T12:00:00Z","'-USD","'-1","","","","","",-12.50,"","'=1+1","","","","",""#),
                "\(outcome.output)")
        }
    }

    /// The rows of a CSV file, and what Python's reader makes of them.
    private static func rows(_ csv: String, _ script: String, _ argument: String = "") async -> TestProcess.Outcome {
        await TestProcess.run(
            "python3",
            ["-c", "import csv, json, sys\nrows = list(csv.DictReader(sys.stdin, strict=True))\n" + script, argument],
            input: csv)
    }

    @Test("a CSV file of plans or usage has a row for each plan, and one for an account without any")
    func plans() async throws {
        for (kind, columns) in [
            ("plans", "type,hosts,plan_status,service_effective_date,next_invoice_date"),
            ("usage", "type,hosts,usage,pending"),
        ] {
            let csv = await exportFromSandbox("--include", kind, "--format", "csv")
            #expect(
                csv.output.hasPrefix("account_id,as_of,plan,\(columns),other,status,code,message\r\n"), "\(csv.errors)")
            let json = await exportFromSandbox("--include", kind)
            let ids = try Self.records(json.output).map { String($0.prefix { $0 != " " }) }
            #expect(ids.count == 60)
            let check = await Self.rows(
                csv.output,
                """
                accounts = []
                for row in rows:
                    if row["account_id"] not in accounts: accounts.append(row["account_id"])
                    assert bool(row["as_of"]) != bool(row["code"]) and (row["as_of"] or not row["plan"]), row
                    assert not row["other"] or json.loads(row["other"]), row
                print(" ".join(accounts))
                base = [row for row in rows if row["plan"] == "plan_base"]
                assert base and all(row["type"] and row["hosts"].isdigit() for row in base)
                assert any("." in row["plan"] for row in rows), "no nested plan"
                kind = sys.argv[1]
                assert kind == "usage" or any(row["as_of"] and not row["plan"] for row in rows), "no free account"
                """, kind)
            #expect(check.output == ids.joined(separator: " ") + "\n", "\(check.errors)")
        }
    }

    @Test("a CSV file of invoices has a row for each invoice, with the digits of its amounts")
    func invoices() async throws {
        let (from, to) = Self.period
        let arguments = ["--include", "invoices", "--from", from, "--to", to]
        func export(_ more: [String]) async -> TestProcess.Outcome {
            await TestProcess.run(
                Self.program,
                ["export", "--sandbox", "--sandbox-accounts", "60", "--output", "-"] + arguments + more)
        }
        let csv = await export(["--format", "csv"])
        #expect(
            csv.output.hasPrefix(
                "account_id,as_of,currency,id,invoice_number,invoice_date,due_date,target_date,invoice_status,"
                    + "total_amount,tax_amount,balance,other,status,code,message,retry_after\r\n"), "\(csv.errors)")
        // Each amount with the text that NDJSON has.
        var expected: [String] = []
        for line in await export([]).lines {
            let object = try #require((try? JSONValue(parsing: Array(line.utf8)))?.object)
            for invoice in object["invoices"]?.object?["invoices"]?.array ?? [] {
                let invoice = try #require(invoice.object)
                expected.append(
                    ["id", "total_amount", "balance"].map { invoice[$0]?.text ?? "" }.joined(separator: " "))
            }
        }
        #expect(expected.count > 60)
        let check = await Self.rows(
            csv.output,
            """
            for row in rows:
                if row["id"]: print(row["id"], row["total_amount"], row["balance"])
            assert all(row["id"] or row["code"] or row["as_of"] for row in rows)
            """)
        #expect(check.lines == expected, "\(check.errors)")
    }
}
