import Foundation
import Testing

@Suite("Shell completions", .timeLimit(.minutes(10)))
struct CompletionTests {
    static func isInstalled(_ program: String) -> Bool {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/\(program)")
        }
    }

    @Test("each shell accepts its completion script", arguments: ["bash", "zsh", "fish"])
    func syntax(shell: String) async throws {
        let script = await TestProcess.run(TestProcess.billingService, ["--generate-completion-script", shell])
        #expect(script.status == 0 && script.errors.isEmpty && script.output.contains("invoices"), "\(script.errors)")
        guard Self.isInstalled(shell) else { return }
        let checked = await TestProcess.run(shell, ["-n"], input: script.output)
        #expect(checked.status == 0 && checked.errors.isEmpty, "\(checked.errors)")
    }

    @Test("bash completes commands, flags, their values and files")
    func bash() async throws {
        try await withTemporaryFolder { folder in
            let script = await TestProcess.run(TestProcess.billingService, ["--generate-completion-script", "bash"])
            try write(script.output, to: folder + "/completion")
            try write("", to: folder + "/token.txt")
            for (words, expected) in [
                (["in"], "invoices"), (["invoices", "down"], "download"), (["get", "--js"], "--json"),
                (["invoices", "download", "--over"], "--overwrite"), (["export", "--format", "c"], "csv"),
                (["accounts", "--token-file", "tok"], "token.txt"), (["usage", "--zoom-plan", "bus"], "business"),
                (["invoices", "download", "--output", "tok"], "token.txt"), (["update", "bil"], "billing"),
                (["update", "billing", "--from", "tok"], "token.txt"), (["keys", "rem"], "remove"),
                (["serve", "--color", "al"], "always"), (["to"], "top"), (["top", "--on"], "--once"),
            ] {
                let line = (["billing-service"] + words).joined(separator: " ")
                let outcome = await TestProcess.run(
                    "bash",
                    [
                        "-c",
                        """
                        cd "$1"
                        . ./completion
                        shift
                        COMP_WORDS=("$@")
                        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
                        COMP_LINE="\(line)"
                        COMP_POINT=${#COMP_LINE}
                        _billing-service billing-service "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
                        printf '%s\\n' "${COMPREPLY[@]}"
                        """, "bash", folder, "billing-service",
                    ] + words)
                #expect(outcome.lines == [expected], "\(line): \(outcome)")
            }
        }
    }
}
