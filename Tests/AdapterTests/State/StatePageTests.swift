import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

@Suite("The page about the state of changes", .timeLimit(.minutes(10)))
struct StatePageTests {
    @Test("the commands in docs/state.md work: a service starts, its keys are listed, and a backup has them all")
    func commands() async throws {
        let page = try String(contentsOf: TestProcess.root.appending(path: "docs/state.md"), encoding: .utf8)
        let blocks = page.blocks("sh")
        let serve = try #require(blocks.first)
        try #require(blocks.count == 5)
        #expect(serve.hasPrefix("billing-service serve --sandbox --state-file state.db"))
        try await withTemporaryFolder { folder in
            let path = folder + "/state.db"
            try await RunningService.with(["--state-file", path]) { service async throws in
                try await StoreKind.withSQLite(path) { store in
                    try await store.finished(CallerKey("done"))
                    try await store.leftUnknown(CallerKey("unknown"))
                    let looked = await TestProcess.run("sh", ["-ec", "cd \(folder)\n\(blocks[2])"])
                    #expect(
                        looked.output == """
                            done|1
                            unknown|1
                            2027-01-15 08:00:00|shop|update-base-plan|account

                            """, "\(looked.errors)")
                }
                let checks = await TestProcess.run("curl", ["--silent", service.ops + "/readyz?verbose"]).output
                #expect(checks.contains(#""name":"state","status":"good""#), "\(checks)")
                let backup = await TestProcess.run("sh", ["-ec", "cd \(folder)\n\(blocks[4])"])
                #expect(backup.output == "ok\n", "\(backup.errors)")
            }
            chmod(folder + "/backup.db", 0o600)
            try await StoreKind.withSQLite(folder + "/backup.db") { store async throws in
                #expect(try await store.state(of: CallerKey("done")) == .finished(.done(nil)))
                #expect(try await store.state(of: CallerKey("unknown")) == .unknown)
            }
        }
    }

    @Test("docs/state.md describes every column of the table")
    func columns() async throws {
        let page = try String(contentsOf: TestProcess.root.appending(path: "docs/state.md"), encoding: .utf8)
        try await withTemporaryFolder { folder in
            try await StoreKind.withSQLite(folder + "/state.db") { try await $0.finished(CallerKey("key")) }
            let columns = await SharedStateTests.query(
                folder + "/state.db", "SELECT name FROM pragma_table_info('idempotency_keys')")
            #expect(columns.split(separator: "\n").count == 14)
            let rows = page.split(separator: "\n").filter { $0.hasPrefix("| `") }.joined()
            for column in columns.split(separator: "\n") { #expect(rows.contains("`\(column)`"), "\(column)") }
        }
    }

    @Test("a state file that cannot be used stops the start with exit code 78, and names the setting and the file")
    func refused() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/state.db"
            try write("not a database", to: path)
            let outcome = await TestProcess.run(
                TestProcess.billingService,
                ["serve", "--sandbox", "--http-port", "0", "--ops-port", "0", "--state-file", path])
            #expect(outcome.status == 78)
            #expect(
                outcome.errors.contains(
                    "state.file: \(path): it is not a state file of this service: name another file"),
                "\(outcome.errors)")
        }
    }
}
