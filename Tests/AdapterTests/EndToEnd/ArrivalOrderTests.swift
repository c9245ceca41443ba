import Foundation
import Testing

@Suite("Streams in the order of arrival", .timeLimit(.minutes(10)))
struct ArrivalOrderTests {
    @Test(
        "a stream with order=arrival sends contacts before Zoom has sent the second page of the account list",
        arguments: ["--http2-prior-knowledge", "--http1.1"])
    func firstPage(version: String) async throws {
        try await withTemporaryFolder { folder in
            // The second page is never sent. The service retries after its time-out, until the fault has ended.
            try write(#"{"faults":[{"fault":"stall","operation":"accounts","skip":1}]}"#, to: folder + "/faults.json")
            let flags = ["--sandbox-faults-file", folder + "/faults.json", "--zoom-timeout", "1s"]
            try await RunningService.with(flags) { service in
                func stream(_ query: String) -> TestProcess {
                    TestProcess(
                        "curl",
                        [
                            "--silent", "--no-buffer", version, "-H", service.authorization,
                            service.base + "/v2/billing/stream" + query,
                        ])
                }
                let ordered = stream("")
                let reader = stream("?order=arrival")
                let early = try await reader.output(containing: #""type":"contact""#)
                #expect(early.hasPrefix(#"{"type":"begin","accounts":null,"#) && !early.contains(#""type":"end""#))
                // Also for a stream that begins while the listing waits.
                let limited = stream("?order=arrival&limit=5")
                _ = try await limited.output(containing: #""type":"contact""#)
                let output = try await service.process.output(containing: "docs/sandbox.md")
                let sandbox = try #require(output.firstMatch(of: /at (http:\S+) \(docs/)).output.1
                _ = await TestProcess.run("curl", ["--silent", "-X", "DELETE", sandbox + "/sandbox/faults"])
                let outcome = await reader.outcome()
                let ids = Self.accounts(outcome)
                #expect(outcome.status == 0 && ids.count == 1000 && Set(ids).count == 1000)
                let ascending = Self.accounts(await ordered.outcome())
                #expect(ascending == ids.sorted())
                let part = await limited.outcome()
                #expect(Self.accounts(part).count == 5)
                #expect(part.lines.last?.contains(#""complete":true,"more":995,"#) == true)
            }
        }
    }

    private static func accounts(_ outcome: TestProcess.Outcome) -> [String] {
        outcome.output.matches(of: /"account_id":"([^"]*)"/).map { String($0.output.1) }
    }
}
