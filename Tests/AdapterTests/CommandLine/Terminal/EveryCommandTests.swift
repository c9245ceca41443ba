import Foundation
import Testing

/// What all commands have in common: outputs that cannot be written, and terminals with few abilities.
@Suite("Every command", .timeLimit(.minutes(10)))
struct EveryCommandTests {
    private enum Result {
        /// Prints a result on standard output.
        case printed
        /// Fails before it prints anything.
        case failed
    }

    /// Arguments of each command, with names for what the tests insert.
    private static let commands: [(path: String, arguments: String, result: Result)] = [
        ("serve", "--sandbox --print-config", .printed), ("sandbox", "--print-config", .printed),
        ("export", "SERVICE --output - --accounts-from IDS", .printed), ("get", "SERVICE ACCOUNT", .printed),
        ("plans", "SERVICE ACCOUNT", .printed), ("usage", "SERVICE ACCOUNT", .printed),
        ("invoices show", "SERVICE ACCOUNT --from 2026-01-01 --to 2026-06-30", .printed),
        ("invoices download", "SERVICE none --output FOLDER/none.pdf", .failed),
        ("accounts", "SERVICE --limit 3", .printed),
        ("update billing", "SERVICE ACCOUNT --dry-run --email a@example.com", .printed),
        ("update base-plan", "SERVICE ACCOUNT --dry-run --type business_monthly --hosts 12", .printed),
        ("update additional-plan", "SERVICE ACCOUNT --dry-run --type none --hosts 1", .failed),
        ("subscribe plans", "SERVICE ACCOUNT --dry-run --base none:1", .failed),
        ("subscribe additional-plan", "SERVICE ACCOUNT --dry-run --type webinar500_monthly --hosts 1", .printed),
        ("cancel base-plan", "SERVICE ACCOUNT --dry-run", .printed),
        ("cancel additional-plan", "SERVICE ACCOUNT --dry-run --type none", .failed),
        ("keys show", "SERVICE none", .failed), ("keys remove", "SERVICE none", .failed),
        ("state inspect", "--state-file FOLDER/none", .failed), ("state compact", "--state-file FOLDER/none", .failed),
        ("state remove", "--state-file FOLDER/none none", .failed),
        ("credentials add", "--credentials-file FOLDER/none/credentials.json --name a", .failed),
        ("credentials list", "--credentials-file CREDENTIALS", .printed),
        ("credentials show", "--credentials-file CREDENTIALS --name none", .failed),
        ("credentials remove", "--credentials-file CREDENTIALS --name none", .failed),
        ("credentials rotate", "--credentials-file CREDENTIALS --name none", .failed),
        ("credentials verify", "--credentials-file FOLDER/none", .failed),
        ("credentials encrypt", "--credentials-file FOLDER/none", .failed),
        ("callers add", "--callers-file FOLDER/none/callers.json --name a --scopes billing:read", .failed),
        ("callers list", "--callers-file CALLERS", .printed),
        ("callers revoke", "--callers-file CALLERS --name none", .failed),
        ("callers rotate", "--callers-file CALLERS --name none", .failed), ("health", "--ops-port PORT", .printed),
        ("top", "--once --url OPS", .printed), ("settings", "", .printed), ("errors", "", .printed),
    ]

    private struct Run {
        let name: String
        let words: [String]
        let result: Result
    }

    /// Calls `test` for each command, with a service and files for it.
    private static func each(_ test: (Run) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            try await RunningService.with { service in
                try write(service.token, to: folder + "/token")
                let account = try #require(service.accountPath.split(separator: "/").dropFirst(2).first)
                try write(account + "\n", to: folder + "/ids")
                try write(#"{"callers":[]}"#, to: folder + "/callers.json")
                try write(
                    #"{"masters":[{"name":"main","account_id":"a","client_id":"b","client_secret":"c"}]}"#,
                    to: folder + "/credentials.json")
                for file in ["token", "callers.json", "credentials.json"] {
                    try FileManager.default.setAttributes(
                        [.posixPermissions: 0o600], ofItemAtPath: folder + "/" + file)
                }
                let port = try #require(service.ops.split(separator: ":").last)
                try await withServer(FakeStatus([.init(text: FakeStatus.text())])) { server in
                    let values = [
                        "SERVICE": ["--url", service.base, "--token-file", folder + "/token"],
                        "ACCOUNT": [String(account)],
                        "IDS": [folder + "/ids"], "CREDENTIALS": [folder + "/credentials.json"],
                        "CALLERS": [folder + "/callers.json"], "PORT": [String(port)],
                        "OPS": ["http://127.0.0.1:\(server.port)"],
                    ]
                    for command in commands {
                        let words = command.arguments.split(separator: " ").flatMap { word in
                            values[String(word)] ?? [String(word).replacing("FOLDER", with: folder)]
                        }
                        try await test(
                            Run(
                                name: command.path, words: command.path.split(separator: " ").map(String.init) + words,
                                result: command.result))
                    }
                }
            }
        }
    }

    @Test("the table of these tests has every command")
    func complete() async throws {
        let dump = await TestProcess.run(TestProcess.billingService, ["--experimental-dump-help"]).output
        let help = try #require(try JSONSerialization.jsonObject(with: Data(dump.utf8)) as? [String: Any])
        func paths(_ command: [String: Any], _ path: [String]) -> [String] {
            let children = (command["subcommands"] as? [[String: Any]] ?? []).filter {
                $0["commandName"] as? String != "help"
            }
            guard !children.isEmpty else { return [path.joined(separator: " ")] }
            return children.flatMap { paths($0, path + [$0["commandName"] as? String ?? ""]) }
        }
        let root = try #require(help["command"] as? [String: Any])
        #expect(Set(paths(root, [])) == Set(Self.commands.map(\.path)))
    }

    @Test(
        "a full disk and a closed output are errors with a message, and a closed pipe ends a command silently with 141")
    func outputs() async throws {
        let script = """
            import json, os, subprocess, sys
            def run(output, **options):
                done = subprocess.run(
                    sys.argv[1:], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, text=True, **options)
                return [done.returncode, done.stderr]
            reader, pipe = os.pipe()
            os.close(reader)
            with open("/dev/full", "w") as full:
                print(json.dumps([run(full), run(pipe), run(None, preexec_fn=lambda: os.close(1))]))
            """
        try await Self.each { command in
            let outcome = await TestProcess.run("python3", ["-c", script, TestProcess.billingService] + command.words)
            let results = try #require(
                try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[Any]], "\(outcome)")
            let runs = results.map { ($0[0] as? Int ?? -1, $0[1] as? String ?? "") }
            try #require(runs.count == 3)
            let (full, pipe, closed) = (runs[0], runs[1], runs[2])
            for (run, reason) in [(full, "No space left on device"), (closed, "Bad file descriptor")] {
                #expect(run.0 != 0 && !run.1.isEmpty, "\(command.name): \(run)")
                guard case .printed = command.result else { continue }
                #expect(
                    run.0 == 1 && run.1.contains("standard output cannot be written: \(reason)"),
                    "\(command.name): \(run)")
            }
            switch command.result {
            // An export is incomplete then, and says so.
            case .printed where command.name == "export":
                #expect(pipe.0 == 1 && pipe.1.contains("incomplete"), "\(pipe)")
            case .printed: #expect(pipe.0 == 141 && pipe.1.isEmpty, "\(command.name): \(pipe)")
            case .failed: #expect(pipe.0 != 0 && pipe.0 != 141 && !pipe.1.isEmpty, "\(command.name): \(pipe)")
            }
        }
    }

    @Test(
        "a dumb terminal gets no escape sequences, and NO_COLOR no colours, in 20 columns",
        arguments: [("dumb", [:]), ("xterm", ["NO_COLOR": "1"])] as [(String, [String: String])])
    func terminals(terminal: String, environment: [String: String]) async throws {
        try await Self.each { command in
            let outcome = await TestTerminal.run(
                TestProcess.billingService, command.words, columns: 20, terminal: terminal, environment: environment)
            switch command.result {
            case .printed: #expect(outcome.status == 0, "\(command.name): \(outcome)")
            case .failed: #expect(outcome.status != 0, "\(command.name): \(outcome)")
            }
            #expect(!outcome.output.isEmpty, "\(command.name)")
            // The bar of an export is redrawn without colours.
            let colors = outcome.output.matches(of: /\x1B\[[0-9;]*m/)
            #expect(colors.isEmpty, "\(command.name): \(outcome.output)")
            if terminal == "dumb" { #expect(!outcome.output.contains("\u{1B}"), "\(command.name): \(outcome.output)") }
        }
    }
}
