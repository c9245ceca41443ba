import Adapters
import DomainFakes
import Foundation
import Testing

/// A client that selects its next account after it has received the previous one.
@Suite("Stream of selected accounts", .timeLimit(.minutes(10)))
struct DuplexTests {
    @Test(
        "the response starts before the request body is complete",
        arguments: ["--http2-prior-knowledge", "--http1.1"])
    func duplex(how: String) async throws {
        try await TestService.with(source: FakeSource()) { service in
            try await withTemporaryFolder { folder in
                // Sends each account only after the response has the previous one.
                let script = """
                    mkfifo input; : > output
                    curl --silent --no-buffer \(how) -T . -X POST -H 'expect:' \
                      -H 'authorization: Bearer \(TestService.token)' -H 'content-type: application/x-ndjson' \
                      http://127.0.0.1:\(service.server.port)/v2/billing/stream < input > output & curl=$!
                    exec 3> input
                    for number in 01 02 03; do
                      echo "{\\"account_id\\":\\"account-$number\\"}" >&3
                      until grep -q "account-$number" output; do kill -0 $curl; sleep 0.01; done
                    done
                    exec 3>&-
                    wait $curl
                    cat output
                    """
                let outcome = await TestProcess.run("sh", ["-ec", "cd \(folder)\n" + script])
                #expect(outcome.status == 0, "\(outcome)")
                #expect(outcome.output.contains(#""type":"end","complete":true,"contacts":3"#))
            }
        }
    }
}
