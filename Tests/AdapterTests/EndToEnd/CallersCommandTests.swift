import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

@Suite("billing-service callers", .timeLimit(.minutes(10)))
struct CallersCommandTests {
    private static func run(
        _ path: String, _ arguments: [String], input: String = ""
    ) async -> TestProcess.Outcome {
        await TestProcess.run(
            TestProcess.billingService, ["callers"] + arguments + ["--callers-file", path], input: input)
    }

    private static func with(_ test: (String) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in try await test(folder + "/callers.json") }
    }

    private static func entry(_ name: String, _ path: String) throws -> CallersDocument.Entry {
        try #require(try CallersFile(PrivateFile(path: path)).read()[Name(literal: name)])
    }

    @Test("add prints the token alone on standard output and stores only its digest")
    func add() async throws {
        try await Self.with { path in
            let outcome = await Self.run(path, ["add", "--name", "app", "--scopes", "billing:read,billing:export"])
            #expect(outcome.status == 0 && outcome.lines.count == 1)
            let token = try #require(outcome.lines.last)
            #expect(CallerToken.form(of: Array(token.utf8)[...]) == .intact)
            #expect(outcome.errors == "added app to \(path); the token is not shown again\n")
            let entry = try Self.entry("app", path)
            #expect(entry.credential == .token(SHA256Digest(of: token), previous: nil))
            #expect(entry.caller == Caller(name: Name(literal: "app"), scopes: [.billingRead, .billingExport]))
            #expect(!(try String(contentsOfFile: path, encoding: .utf8)).contains(token))
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        }
    }

    @Test("add sets master account, sub accounts, rate and expiry, or a certificate name instead of a token")
    func rights() async throws {
        try await Self.with { path in
            let outcome = await Self.run(
                path,
                [
                    "add", "--name", "app", "--scopes", "billing:read", "--master", "main", "--accounts", "a,b",
                    "--rate",
                    "200,20/s", "--expires", "2099-01-31T12:00:00Z", "--accounts-from", "-",
                ], input: "c\nd\n\n")
            #expect(outcome.status == 0, "\(outcome.errors)")
            let entry = try Self.entry("app", path)
            #expect(entry.caller.master == Name(literal: "main"))
            #expect(entry.caller.accounts == AllowList(["a", "b", "c", "d"].map { AccountID(literal: $0) }))
            #expect(entry.caller.rate == Caller.Rate(burst: 200, perSecond: 20))
            #expect(entry.expires?.rfc3339 == "2099-01-31T12:00:00Z")
            let certified = await Self.run(
                path,
                ["add", "--name", "cert", "--scopes", "plans:read", "--certificate-san", "URI:spiffe://example/app"])
            #expect(certified.status == 0 && certified.output == "added cert to \(path)\n")
            #expect(try Self.entry("cert", path).credential == .certificate(san: "URI:spiffe://example/app"))
            // An expired caller, which only an editor can write.
            let text = try String(contentsOfFile: path, encoding: .utf8)
            try write(text.replacing("2099", with: "2020"), to: path)
            let list = await Self.run(path, ["list"])
            #expect(
                list.output == """
                    NAME  CREDENTIAL                SCOPES        MASTER  ACCOUNTS  RATE      EXPIRES
                    app   1 token                   billing:read  main    4         200,20/s  2020-01-31T12:00:00Z (expired)
                    cert  URI:spiffe://example/app  plans:read    -       all       -         never

                    """)
        }
    }

    @Test("allow-lists of 60,000 accounts for two callers can be written and read")
    func largeAllowLists() async throws {
        try await Self.with { path in
            let ids = (0..<60_000).map { "account\($0)aaaaaaaaaaaaaaa".prefix(22) }
            for name in ["one", "two"] {
                let outcome = await Self.run(
                    path, ["add", "--name", name, "--scopes", "billing:read", "--accounts-from", "-"],
                    input: ids.joined(separator: "\r\n"))
                #expect(outcome.status == 0, "\(outcome.errors)")
            }
            let list = await Self.run(path, ["list"])
            #expect(list.status == 0 && list.output.ranges(of: "  60000  ").count == 2, "\(list.errors)")
            let accounts = try #require(try Self.entry("two", path).caller.accounts)
            #expect(accounts.contains(AccountID(literal: String(ids[47_777]))))
            #expect(!accounts.contains(AccountID(literal: "account")))
        }
    }

    @Test(
        "nothing is changed if the new token cannot be written to standard output",
        arguments: [">/dev/full", ">&-", "| true"])
    func tokenNotShown(redirection: String) async throws {
        try await Self.with { path in
            #expect(await Self.run(path, ["add", "--name", "app", "--scopes", "billing:read"]).status == 0)
            let before = try Data(contentsOf: URL(filePath: path))
            for arguments in [
                "add --name new --scopes billing:read", "rotate --name app", "rotate --name app --revoke-old",
            ] {
                // A pipe whose reader is closed before the program starts.
                let command = "exec \"$0\" callers \(arguments) --callers-file \"$1\""
                let script =
                    redirection == "| true"
                    ? "mkfifo \"$1.pipe\" && exec 3<>\"$1.pipe\" 4>\"$1.pipe\" && exec 3>&- && (\(command) >&4)"
                    : "\(command) \(redirection)"
                let outcome = await TestProcess.run("sh", ["-c", script, TestProcess.billingService, path])
                try? FileManager.default.removeItem(atPath: path + ".pipe")
                #expect(outcome.status == 1)
                #expect(outcome.errors.contains("the token could not be shown, and nothing was changed"))
                #expect(try Data(contentsOf: URL(filePath: path)) == before)
            }
        }
    }

    @Test("rotate adds a second token, at most two exist, and revoke removes the previous one or all")
    func rotation() async throws {
        try await Self.with { path in
            func token(_ arguments: String...) async throws -> SHA256Digest {
                let outcome = await Self.run(path, arguments + ["--name", "app"])
                try #require(outcome.status == 0, "\(outcome.errors)")
                return SHA256Digest(of: try #require(outcome.lines.last))
            }
            let first = try await token("add", "--scopes", "billing:read")
            let second = try await token("rotate")
            #expect(try Self.entry("app", path).credential == .token(second, previous: first))
            let third = await Self.run(path, ["rotate", "--name", "app"])
            #expect(third.status == 1 && third.output.isEmpty && third.errors.contains("app already has two tokens"))
            #expect(await Self.run(path, ["revoke", "--name", "app", "--previous"]).status == 0)
            #expect(try Self.entry("app", path).credential == .token(second, previous: nil))
            #expect(await Self.run(path, ["revoke", "--name", "app", "--previous"]).status == 1)
            let fourth = try await token("rotate")
            #expect(try Self.entry("app", path).credential == .token(fourth, previous: second))
            let fifth = try await token("rotate", "--revoke-old")
            #expect(try Self.entry("app", path).credential == .token(fifth, previous: nil))
            let revoked = await Self.run(path, ["revoke", "--name", "app"])
            #expect(revoked.status == 0 && revoked.output == "revoked app\n")
            #expect(try CallersFile(PrivateFile(path: path)).read() == CallersDocument())
        }
    }

    @Test(
        "an invalid command is refused with its cause and changes nothing",
        arguments: [
            (["add", "--name", "app", "--scopes", "billing:read"], 1, "already contains a caller app"),
            (
                ["add", "--name", "x", "--scopes", "billing"], 64,
                "\"billing\" is not one of billing:read, billing:write"
            ),
            (["add", "--name", "x", "--scopes", ""], 64, "\"\" is not one of billing:read"),
            (["add", "--name", "x", "--scopes", "billing:read", "--accounts", "a,,b"], 64, "\"\" is not the id"),
            (["add", "--name", "x", "--scopes", "billing:read", "--accounts", "me"], 64, "\"me\" is not the id"),
            (["add", "--name", "x", "--scopes", "billing:read", "--rate", "20"], 64, "It is not a rate such as"),
            (
                ["add", "--name", "x", "--scopes", "billing:read", "--expires", "tomorrow"], 64,
                "It is not a time such as"
            ),
            (
                ["add", "--name", "x", "--scopes", "billing:read", "--expires", "2020-01-01T00:00:00Z"], 64,
                "It is in the past."
            ),
            (
                ["add", "--name", "x", "--scopes", "billing:read", "--certificate-san", "me"], 64,
                "It must begin with one of"
            ),
            (
                ["add", "--name", "x", "--scopes", "billing:read", "--accounts-from", "/none"], 1,
                "--accounts-from: /none: no such file"
            ),
            (["revoke", "--name", "nobody"], 1, "contains no caller nobody"),
            (["rotate", "--name", "nobody"], 1, "contains no caller nobody"),
            (["rotate", "--name", "cert"], 1, "cert is identified by its certificate and has no token"),
        ])
    func refused(arguments: [String], status: Int32, error: String) async throws {
        try await Self.with { path in
            for more in [["--name", "app"], ["--name", "cert", "--certificate-san", "DNS:a"]] {
                #expect(await Self.run(path, ["add", "--scopes", "billing:read"] + more).status == 0)
            }
            let before = try String(contentsOfFile: path, encoding: .utf8)
            let outcome = await Self.run(path, arguments)
            #expect(outcome.status == status && outcome.errors.contains(error), "\(outcome.status) \(outcome.errors)")
            #expect(!outcome.output.contains("bst_"))
            #expect(try String(contentsOfFile: path, encoding: .utf8) == before)
        }
    }
}
