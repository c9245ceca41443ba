import Foundation
import Testing

@Suite("Standard output", .timeLimit(.minutes(10)))
struct OutputTests {
    private static func shell(_ script: String, _ more: String...) async -> TestProcess.Outcome {
        await TestProcess.run("sh", ["-c", script, TestProcess.billingService] + more)
    }

    @Test(
        "output that cannot be written is reported on standard error, with exit code 1",
        arguments: [
            "settings", "--help", "--version", "help serve", "callers add --help", "serve --sandbox --print-config",
            "callers list --callers-file \"$1\"",
        ])
    func notWritten(arguments: String) async throws {
        try await withTemporaryFolder { folder in
            try write(#"{"callers":[]}"#, to: folder + "/callers.json")
            for (redirection, reason) in [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")] {
                let outcome = await Self.shell("\"$0\" \(arguments) \(redirection)", folder + "/callers.json")
                #expect(outcome.status == 1)
                #expect(outcome.errors == "billing-service: standard output cannot be written: \(reason)\n")
            }
        }
    }

    @Test("a closed pipe ends the program without a message, with the status of SIGPIPE")
    func readerGone() async throws {
        let script = "exec 3>&1; { \"$0\" settings; echo $? >&3; } | true"
        // The status is 141 if the reader has gone before the first write, otherwise 0. The system decides which.
        for _ in 0..<5 {
            let outcome = await Self.shell("trap '' PIPE; " + script)
            #expect(["141\n", "0\n"].contains(outcome.output), "\(outcome.output)")
            #expect(outcome.errors.isEmpty)
        }
    }

    @Test("if standard output fails after a change, standard error reports the change")
    func confirmation() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/callers.json"
            _ = await TestProcess.run(
                TestProcess.billingService,
                ["callers", "add", "--name", "a", "--scopes", "billing:read", "--callers-file", path])
            let outcome = await Self.shell(
                "\"$0\" callers revoke --name a --callers-file \"$1\" >/dev/full", path)
            #expect(outcome.status == 1)
            #expect(outcome.errors.hasPrefix("billing-service: revoked a, but standard output cannot be written"))
        }
    }

    @Test("serve --sandbox ends if its token cannot be printed, and leaves no files")
    func sandbox() async throws {
        try await withTemporaryFolder { folder in
            let outcome = await Self.shell(
                "TMPDIR=\"$1\" exec \"$0\" serve --sandbox --http-port 0 --ops-port 0 >/dev/full", folder)
            #expect(outcome.status == 1 && outcome.errors.contains("standard output cannot be written"))
            let left = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(left.isEmpty)
        }
    }
}
