import Foundation
import Testing

/// However a stream stops early, nobody takes it for complete. A shutdown is in `DrainTests`, a caller that is revoked in
/// `LiveFilesTests`.
@Suite("A stream that stops early", .timeLimit(.minutes(10)))
struct BrokenStreamTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let fault: String
        let code: Int
    }

    @Test(
        "has no end line, says why, and makes curl fail",
        arguments: [
            Case(
                testDescription: "Zoom refuses the credentials",
                fault: #"{"fault":"status","status":403,"operation":"billing","skip":50}"#, code: 4700),
            Case(
                testDescription: "the requests of the day are spent",
                fault: #"{"fault":"429-day","retry_after_seconds":3600,"operation":"billing","skip":50}"#, code: 429),
            Case(
                testDescription: "the accounts cannot be listed",
                fault: #"{"fault":"status","status":403,"operation":"accounts"}"#, code: 4700),
        ], ["--http2-prior-knowledge", "--http1.1"])
    func broken(testCase: Case, version: String) async throws {
        try await withTemporaryFolder { folder in
            try write(#"{"faults":[\#(testCase.fault)]}"#, to: folder + "/faults.json")
            try await RunningService.with(["--sandbox-faults-file", folder + "/faults.json"]) { service in
                let outcome = await service.reader(version).outcome()
                #expect(outcome.status != 0)
                #expect(!outcome.output.contains(#""type":"end""#))
                let last = try #require(outcome.lines.last)
                #expect(last.contains(#""type":"error""#) && last.contains("\"code\":\(testCase.code)"), "\(last)")
            }
        }
    }

    @Test(
        "has no end line when the service is gone in the middle of it",
        arguments: ["--http2-prior-knowledge", "--http1.1"])
    func gone(version: String) async throws {
        try await RunningService.with(["--sandbox-limits", "pro"], expectedStatus: 128 + SIGKILL) { service in
            let reader = service.reader(version)
            _ = try await reader.output(containing: "\"type\":\"contact\"")
            service.process.signal(SIGKILL)
            let outcome = await reader.outcome()
            #expect(outcome.status != 0 && !outcome.output.contains(#""type":"end""#))
        }
    }

    @Test("goes on to its end, with a failure for each account, when Zoom answers nothing that makes sense")
    func useless() async throws {
        try await withTemporaryFolder { folder in
            try write(
                #"{"faults":[{"fault":"status","status":400,"operation":"billing","probability":0.5}]}"#,
                to: folder + "/faults.json")
            try await RunningService.with(["--sandbox-faults-file", folder + "/faults.json"]) { service in
                let outcome = await service.reader("--http2-prior-knowledge").outcome()
                #expect(outcome.status == 0 && outcome.lines.count == 1002)
                #expect(outcome.lines.last?.contains(#""type":"end""#) == true)
            }
        }
    }
}
