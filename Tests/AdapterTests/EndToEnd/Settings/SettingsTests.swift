import Testing

/// Each setting has a flag, a reader, a range check and a row in the reference, all derived from its declaration.
@Suite("Settings", .timeLimit(.minutes(10)))
struct SettingsTests {
    private struct Row {
        let key: String
        let values: String

        var flag: String { "--" + key.replacing(".", with: "-") }
    }

    private func run(_ arguments: [String], environment: [String: String] = [:]) async -> TestProcess.Outcome {
        await TestProcess.run(TestProcess.billingService, arguments, environment: environment)
    }

    /// The rows of the reference: all declared settings.
    private func reference() async -> [Row] {
        await run(["settings"]).lines.compactMap { line in
            line.firstMatch(of: /^\| `([^`]+)` \| (.*?) \| .* \| .* \|$/).map { match in
                match.output.1.contains(" ") ? nil : Row(key: String(match.output.1), values: String(match.output.2))
            } ?? nil
        }
    }

    @Test("each declared setting has a flag, and each flag of a setting is declared")
    func flags() async throws {
        let declared = Set(await reference().map(\.flag))
        #expect(declared.count > 90)
        var flags: Set<String> = []
        for command in ["serve", "sandbox"] {
            let help = await run([command, "--help"])
            for line in help.lines {
                if let flag = line.firstMatch(of: /^ {2}(--[a-z-]+)/) { flags.insert(String(flag.output.1)) }
            }
        }
        // The flags of commands, which are not settings.
        flags.subtract(["--color", "--config", "--print-config", "--version"])
        #expect(declared.subtracting(flags).isEmpty, "no flag")
        #expect(flags.subtracting(declared).isEmpty, "not in the reference")
    }

    @Test("each declared setting is read by the service or the sandbox command")
    func readers() async throws {
        var read: Set<String> = []
        for arguments in [["serve", "--sandbox"], ["sandbox"]] {
            let printed = await run(arguments + ["--print-config"])
            #expect(printed.status == 0)
            for line in printed.lines { read.insert(String(line.prefix { $0 != " " })) }
        }
        let declared = Set(await reference().map(\.key))
        #expect(declared.subtracting(read).isEmpty, "not read")
        #expect(read.subtracting(declared).isEmpty, "not in the reference")
    }

    @Test(
        "each declared setting can be given as a flag, in the environment and in the file, in this order of precedence")
    func sources() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/settings.json"
            try write(
                #"{"http": {"timeouts": {"idle": "3m"}}, "zoom": {"rate-share": 0.3}, "sandbox": true}"#, to: path)
            let flags = ["--config", path, "--print-config", "--http-timeouts-idle", "1m"]
            let printed = await run(
                ["serve"] + flags,
                environment: ["BILLING_HTTP_TIMEOUTS_IDLE": "2m", "BILLING_ZOOM_RATE_SHARE": "0.2"])
            for line in ["http.timeouts.idle = 1m", "zoom.rate-share = 0.2", "sandbox = true"] {
                #expect(printed.lines.contains(line), "\(printed)")
            }
        }
    }

    @Test("a value out of range is refused with the declared range, which the help shows as well")
    func ranges() async throws {
        // Outside every range of its notation: numbers, sizes, durations and shares.
        func value(for row: Row) -> String? {
            if row.values.hasPrefix("above") { return "2" }
            guard let match = row.values.firstMatch(of: #/ to \d+([A-Za-z]*)$/#) else { return nil }
            return switch match.output.1 {
            case "": row.values.contains("KiB") || row.key.hasSuffix("body-rate") ? "2TiB" : "-1"
            case "KiB", "MiB", "GiB", "TiB": "2TiB"
            case _: "999d"
            }
        }
        for (command, group) in [
            (["serve", "--sandbox"], { (key: String) in !key.hasPrefix("sandbox.") }),
            (["sandbox"], { $0.hasPrefix("sandbox.") }),
        ] as [([String], (String) -> Bool)] {
            let rows = await reference().filter { group($0.key) && value(for: $0) != nil }
            #expect(rows.count >= 4)
            let outcome = await run(command + rows.map { "\($0.flag)=\(value(for: $0) ?? "")" })
            #expect(outcome.status == 78)
            let lines = Set(outcome.errors.split(separator: "\n").map(String.init))
            // The parser breaks the lines of the help.
            let help = await run(command.prefix(1) + ["--help"]).output.split(whereSeparator: \.isWhitespace)
                .joined(separator: " ")
            for row in rows {
                let line = "billing-service: \(row.key): \(value(for: row) ?? "") is out of range: \(row.values)"
                #expect(lines.contains(line), "\(line)")
                #expect(help.contains("(range: \(row.values)"), "\(row.key)")
            }
        }
    }

    @Test("an unknown flag is refused with a suggestion of the right one")
    func unknownFlag() async throws {
        let outcome = await run(["serve", "--sandbox", "--http-prot", "1"])
        #expect(outcome.status == 64)
        #expect(
            outcome.errors.contains("Unknown option '--http-prot'. Did you mean '--http-port'?"), "\(outcome.errors)")
    }
}
