import Foundation
import Testing

@Suite("Stored answers and SIGKILL", .timeLimit(.minutes(10)))
struct KilledCacheTests {
    /// 24 pages of answers.
    private static let accounts = 3000
    private static let killsMax = 12

    private static func arguments(_ state: String?) -> [String] {
        [
            "--sandbox-accounts", "\(accounts)", "--cache-ttl", "1d", "--cache-failure-ttl", "1h", "--shutdown-delay",
            "0s",
        ]
            + (state.map { ["--state-file", $0, "--state-write-interval", "100ms"] } ?? [])
    }

    /// The answers of a whole stream: for each account its line without the time.
    private static func answers(_ service: RunningService) async throws -> [String: String] {
        let lines = await service.curl("/v2/billing/stream").lines
        #expect(lines.last?.contains(#""type":"end""#) == true, "\(lines.last ?? "")")
        var answers: [String: String] = [:]
        for line in lines {
            guard let account = line.firstMatch(of: /"account_id":"([^"]+)"/)?.output.1 else { continue }
            answers[String(account)] = line.replacing(/"(as_of|first_seen)":"[^"]*",?/, with: "")
        }
        return answers
    }

    /// The number of calls to Zoom for billing information.
    private static func calls(_ service: RunningService) async -> Int {
        let metrics = await TestProcess.run("curl", ["--silent", service.ops + "/metrics"]).lines
        var calls = 0
        for line in metrics
        where line.hasPrefix("zoom_calls_total") && line.contains(#"operation="Get billing information""#) {
            calls += line.split(separator: " ").last.flatMap { Int($0) } ?? 0
        }
        return calls
    }

    @Test("a service that is killed while it fills always starts again, and every answer is one that Zoom gave")
    func killed() async throws {
        var expected: [String: String] = [:]
        try await RunningService.with(Self.arguments(nil)) { service async throws in
            expected = try await Self.answers(service)
        }
        #expect(expected.count == Self.accounts)
        try await withTemporaryFolder { folder async throws in
            let state = folder + "/state.db"
            for kill in 0..<Self.killsMax {
                try await RunningService.with(Self.arguments(state), expectedStatus: 128 + SIGKILL) {
                    service async throws in
                    let reader = service.reader()
                    // Some kills are at the start, others while the stream is read.
                    if !kill.isMultiple(of: 4) { _ = try await reader.output(containing: #""account_id""#) }
                    let delay = ContinuousClock.now + .milliseconds(Int.random(in: 0..<300))
                    // A busy wait, since a sleep could take longer than the delay.
                    while ContinuousClock.now < delay {}
                    service.process.signal(SIGKILL)
                    _ = await service.process.outcome()
                    _ = await reader.outcome()
                }
            }
            // Fills the rest, and stores all at the shutdown.
            try await RunningService.with(Self.arguments(state)) { service async throws in
                #expect(try await Self.answers(service) == expected)
            }
            try await RunningService.with(Self.arguments(state)) { service async throws in
                try await service.process.errors(containing: "stored answers were restored")
                #expect(try await Self.answers(service) == expected)
                #expect(await Self.calls(service) == 0)
                #expect(service.process.count(of: "set aside") == 0)
            }
        }
    }
}
