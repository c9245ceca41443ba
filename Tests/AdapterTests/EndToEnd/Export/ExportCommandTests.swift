import Adapters
import Foundation
import Testing

@Suite("billing-service export", .timeLimit(.minutes(10)))
struct ExportCommandTests {
    private static let program = TestProcess.billingService

    private func with(
        accounts: Int, _ test: (FiledService, _ url: String, _ token: String, _ ids: [String]) async throws -> Void
    ) async throws {
        try await FiledService.with(accounts: accounts) { service in
            let token = try await service.token(
                of: "job", "--scopes", "billing:export,billing:read", "--master", "main")
            try await service.wait(for: 200, service.account(of: service.main), token: token)
            let ids = (0..<accounts).map { service.main.accounts.id(of: $0) }.sorted()
            try await test(service, service.base, token, ids)
        }
    }

    private func export(_ service: FiledService, _ token: String, _ arguments: String...) async -> TestProcess.Outcome {
        await TestProcess.run(
            Self.program, ["export", "--url", service.base] + arguments, environment: ["BILLING_TOKEN": token])
    }

    private func ids(_ path: String) throws -> [String] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { line in
            let object = try #require((try? JSONValue(parsing: Array(line.utf8)))?.object)
            return try #require(object["account_id"]?.string)
        }
    }

    @Test("the file has all accounts in order, failures are summarized, and no temporary files remain")
    func whole() async throws {
        try await with(accounts: 300) { service, _, token, ids in
            let path = service.folder + "/all.ndjson"
            let outcome = await export(service, token, "--output", path)
            #expect(outcome.status == 3, "\(outcome)")
            let found = try self.ids(path)
            #expect(found == ids)
            #expect(outcome.errors.contains("contacts          297") && outcome.errors.contains("with code 2100  3"))
            let left = try FileManager.default.contentsOfDirectory(atPath: service.folder)
            #expect(!left.contains { $0.contains("partial") })
            // An existing file is not overwritten.
            let again = await export(service, token, "--output", path)
            #expect(again.status == 1 && again.errors.contains("already exists"))
        }
    }

    @Test("CSV, gzip, selected accounts and selected fields are written")
    func forms() async throws {
        try await with(accounts: 60) { service, _, token, ids in
            let wanted = [ids[7], ids[3], "nobody", ids[7]]
            try write(
                wanted[0] + "\n{\"account_id\":\"\(wanted[1])\"}\n\n" + wanted[2...].joined(separator: "\n"),
                to: service.folder + "/wanted")
            let chosen = await export(
                service, token, "--output", "-", "--accounts-from", service.folder + "/wanted", "--fields", "country")
            #expect(chosen.status == 3)
            #expect(
                chosen.lines.compactMap { $0.firstMatch(of: /"account_id":"([^"]+)"/).map { String($0.output.1) } }
                    == wanted)
            #expect(!chosen.output.contains("email"))
            let path = service.folder + "/all.csv.gz"
            let csv = await export(service, token, "--output", path, "--format", "csv", "--compress")
            #expect(csv.status == 0 || csv.status == 3)
            let check = await TestProcess.run(
                "python3",
                [
                    "-c",
                    """
                    import csv, gzip, sys
                    rows = list(csv.DictReader(gzip.open(sys.argv[1], "rt", newline="")))
                    print(len(rows), [row["account_id"] for row in rows] == sorted(row["account_id"] for row in rows))
                    print(sum(row["code"] == "2100" for row in rows), all(row["as_of"] for row in rows if not row["code"]))
                    """, path,
                ])
            #expect(check.output == "60 True\n1 True\n", "\(check)")
        }
    }

    @Test("an export killed at 100 random instants and resumed has every account exactly once")
    func killed() async throws {
        try await with(accounts: 4000) { service, url, token, ids in
            let script = """
                kills=0; finished=0
                while [ $kills -lt 100 ]; do
                  \(Self.program) export --url \(url) --output out --resume > /dev/null 2>&1 & pid=$!
                  sleep 0.$(printf %02d $(( $(od -An -N1 -tu1 /dev/urandom) % 25 )))
                  if kill -9 $pid 2> /dev/null; then kills=$((kills + 1)); fi
                  wait $pid 2> /dev/null || true
                  if [ -e out ]; then
                    mv out "finished-$finished"; finished=$((finished + 1)); rm -f out.partial.state
                  fi
                done
                \(Self.program) export --url \(url) --output out --resume > /dev/null 2>&1 || [ $? = 3 ]
                mv out "finished-$finished"
                echo $kills
                """
            let outcome = await TestProcess.run(
                "sh", ["-ec", "mkdir \(service.folder)/k; cd \(service.folder)/k\n" + script],
                environment: ["BILLING_TOKEN": token])
            #expect(outcome.status == 0 && outcome.output == "100\n", "\(outcome)")
            let files = try FileManager.default.contentsOfDirectory(atPath: service.folder + "/k")
            #expect(files.contains("finished-0"))
            for file in files where file.hasPrefix("finished") {
                #expect(try self.ids("\(service.folder)/k/\(file)") == ids, "\(file)")
            }
        }
    }

    @Test("an export is resumed after a full disk, and refused for another service or other options")
    func full() async throws {
        try await with(accounts: 2000) { service, url, token, ids in
            let path = service.folder + "/out"
            // Limits files to 100 KiB.
            let full = await TestProcess.run(
                "bash",
                ["-c", "trap '' XFSZ; ulimit -f 100; \(Self.program) export --url \(url) --output \(path)"],
                environment: ["BILLING_TOKEN": token])
            #expect(full.status == 1 && full.errors.contains("continue it with --resume"), "\(full)")
            #expect(!FileManager.default.fileExists(atPath: path))
            // Another address counts as another service; an unreachable service is given up after the retry time.
            for (output, flags, reason) in [
                (path, ["--resume"], "begun with another service"), (path + "2", [], "gave up"),
            ] {
                let gone = await TestProcess.run(
                    Self.program,
                    ["export", "--url", "http://127.0.0.1:1", "--output", output, "--retry-seconds", "1"] + flags,
                    environment: ["BILLING_TOKEN": token])
                #expect(gone.status == 1 && gone.errors.contains(reason), "\(gone)")
            }
            let other = await export(service, token, "--output", path, "--resume", "--format", "csv")
            #expect(other.status == 1 && other.errors.contains("begun with other options"))
            let rest = await export(service, token, "--output", path, "--resume")
            #expect(rest.status == 3, "\(rest)")
            let found = try self.ids(path)
            #expect(found == ids)
        }
    }

    @Test("a refused export reports the cause and is not retried")
    func refused() async throws {
        try await with(accounts: 10) { service, _, token, _ in
            let path = service.folder + "/out"
            let wrong = await export(service, CallerToken.make(), "--output", path)
            #expect(wrong.status == 1 && wrong.errors.contains("refused with status 401"))
            let fields = await export(service, token, "--output", path + "2", "--fields", "name")
            #expect(fields.status == 64 && fields.errors.contains("--fields: \"name\" is not one of"))
            let usage = await export(service, token, "--output", "-", "--resume")
            #expect(usage.status == 64)
        }
    }

    @Test("the account scope of a stream differs between callers and does not change when a token is rotated")
    func scopes() async throws {
        try await with(accounts: 5) { service, _, token, _ in
            let other = try await service.token(
                of: "other", "--scopes", "billing:export,billing:read", "--master", "main")
            try await service.wait(for: 200, service.account(of: service.main), token: other)
            func scope(_ token: String) async throws -> String {
                let response = try await service.send("/v2/billing/stream?limit=1", token: token)
                return try #require(response.fields.string(.accountScope))
            }
            let own = try await scope(token)
            #expect(try await scope(token) == own)
            #expect(try await scope(other) != own)
            let rotated = try #require(try await service.callers("rotate", "--name", "job").lines.last)
            try await service.wait(for: 200, service.account(of: service.main), token: rotated)
            #expect(try await scope(rotated) == own)
        }
    }

    @Test("export works without a service, with a sandbox or with a credentials file")
    func byItself() async throws {
        try await with(accounts: 30) { service, _, _, ids in
            let sandbox = await TestProcess.run(
                Self.program, ["export", "--sandbox", "--sandbox-accounts", "30", "--output", "-"],
                // Settings of a service on the same machine, which export must ignore.
                environment: [
                    "BILLING_HTTP_PROXY_PROTOCOL_TRUSTED": "127.0.0.1", "BILLING_OPS_HOST": "192.0.2.1",
                    "BILLING_OPS_PORT": "9090",
                ])
            #expect(sandbox.status == 0 && sandbox.lines.count == 30, "\(sandbox)")
            let path = service.folder + "/own"
            let document = try CredentialsFile(PrivateFile(path: service.credentialsPath)).read()
            #expect(document.masters.count == 2)
            // With a single master account, no master name is needed.
            try CredentialsFile(PrivateFile(path: service.folder + "/one.json")).update { one in
                one.masters = [document.masters[1]]
            }
            let own = await TestProcess.run(
                Self.program,
                [
                    "export", "--credentials-file", service.folder + "/one.json", "--zoom-api-url",
                    "http://127.0.0.1:1/v2", "--zoom-oauth-url", "http://127.0.0.1:1/oauth/token", "--zoom-plan",
                    "business", "--output", path,
                ])
            #expect(own.status == 0 || own.status == 3, "\(own)")
            let found = try self.ids(path)
            #expect(found == (0..<30).map { service.second.accounts.id(of: $0) }.sorted())
            #expect(!ids.isEmpty)
        }
    }
}
