import Foundation
import Testing

@Suite("Paths", .timeLimit(.minutes(10)))
struct PathTests {
    /// Names in octal escapes of `printf`, because a name may not be UTF-8.
    @Test(
        "paths with any bytes work in options, the environment and TMPDIR, absolute and relative",
        arguments: [
            "My Files", "a%%20b", "caf\\351", "new\\nline", "\\303\\274 \\303\\251", "e\\314\\201", "q?#x",
            "\\364\\217\\276\\200",
        ])
    func bytes(name: String) async throws {
        try await withTemporaryFolder { folder in
            let outcome = await TestProcess.run(
                "bash",
                [
                    "-c",
                    #"""
                    set -eu
                    cd "$1"
                    name=$(printf "$2")
                    mkdir "$name"
                    cd "$name"
                    for file in "$PWD/callers.json" "callers 2%.json" "./$name.json"; do
                        "$0" callers add --name a --scopes billing:read --callers-file "$file" 2>/dev/null
                        [ -f "$file" ]
                        BILLING_CALLERS_FILE="$file" "$0" callers rotate --name a 2>/dev/null
                        "$0" callers list --callers-file "$file" | grep -q "2 tokens"
                    done
                    echo secret | "$0" credentials add --name m --account-id a --client-id c --credentials-file "$PWD/c.json"
                    [ -f c.json ]
                    echo '{"ops":{"port":7}}' > settings.json
                    "$0" serve --sandbox --config "$PWD/settings.json" --print-config | grep -q "ops.port = 7"
                    mkdir temporary
                    export TMPDIR="$PWD/temporary"
                    "$0" serve --sandbox --http-port 0 --ops-port 0 --shutdown-delay 0s >output 2>errors &
                    until grep -q Listening output; do kill -0 $!; sleep 0.1; done
                    kill -TERM $!
                    wait $!
                    [ -z "$(ls temporary)" ]
                    # No other file was created.
                    [ "$(ls -A "$1")" = "$name" ]
                    echo fine
                    """#, TestProcess.billingService, folder, name,
                ])
            #expect(outcome.status == 0 && outcome.lines.last == "fine", "\(outcome.output)\(outcome.errors)")
        }
    }

    @Test("serve --sandbox works without a TMPDIR, because it writes no credentials file")
    func noTemporaryFolder() async throws {
        try await RunningService.with(environment: ["TMPDIR": "/nonexistent"]) { service in
            #expect(await service.curl(service.accountPath).output.contains("\"city\""))
        }
    }
}
