import Foundation
import Testing

/// A stream that ends early must not look complete. `DrainTests` covers shutdowns, `LiveFilesTests` revoked callers.
@Suite("Incomplete streams", .timeLimit(.minutes(10)))
struct BrokenStreamTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let fault: String
        let code: Int
    }

    @Test(
        "a stream that fails has an error line and no end line, and curl fails",
        arguments: [
            Case(
                testDescription: "Zoom refuses the credentials",
                fault: #"{"fault":"status","status":403,"operation":"billing","skip":50}"#, code: 4700),
            Case(
                testDescription: "the daily quota is exhausted",
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
        "a stream has no end line if the service is killed during it",
        arguments: ["--http2-prior-knowledge", "--http1.1"])
    func killed(version: String) async throws {
        try await RunningService.with(["--sandbox-limits", "pro"], expectedStatus: 128 + SIGKILL) { service in
            let reader = service.reader(version)
            _ = try await reader.output(containing: "\"type\":\"contact\"")
            service.process.signal(SIGKILL)
            let outcome = await reader.outcome()
            #expect(outcome.status != 0 && !outcome.output.contains(#""type":"end""#))
        }
    }

    @Test("rejected lookups become failure lines and the stream still completes")
    func rejectedLookups() async throws {
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
