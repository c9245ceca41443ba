import Adapters
import Foundation
import Testing

@Suite("billing-service export --changed-since", .timeLimit(.minutes(10)))
struct ExportOfChangesTests {
    private func export(_ service: RunningService, _ arguments: String...) async -> TestProcess.Outcome {
        await TestProcess.run(
            TestProcess.billingService, ["export", "--url", service.base] + arguments,
            environment: ["BILLING_TOKEN": service.token])
    }

    private func moment(in outcome: TestProcess.Outcome) throws -> String {
        String(try #require(outcome.errors.firstMatch(of: /--changed-since ([0-9TZ:.-]+)/)).output.1)
    }

    @Test("an export of changes has the accounts that changed, and prints the moment for the next one")
    func changes() async throws {
        try await RunningService.with(["--sandbox-accounts", "50"]) { service in
            try await withTemporaryFolder { folder in
                let whole = await export(service, "--output", folder + "/all.ndjson", "--fields", "city")
                #expect([0, 3].contains(whole.status), "\(whole)")
                let first = try moment(in: whole)
                let path = service.accountPath
                let change = await service.curl(
                    path, "-X", "PATCH", "-H", "content-type: application/json", "-H", "idempotency-key: one", "-d",
                    #"{"city":"Berkeley"}"#, "-w", "%{http_code}")
                #expect(change.output == "204", "\(change)")
                // The answers of the first export were received after its moment.
                let second = await export(service, "--output", folder + "/second.ndjson", "--changed-since", first)
                let changed = await export(
                    service, "--output", folder + "/changed.ndjson", "--fields", "city", "--changed-since",
                    try moment(in: second))
                #expect([0, 3].contains(changed.status) && changed.errors.contains("gone"), "\(changed)")
                let lines = try String(contentsOfFile: folder + "/changed.ndjson", encoding: .utf8)
                #expect(lines.split(separator: "\n").count < 50)
                let merged = try String(contentsOfFile: folder + "/second.ndjson", encoding: .utf8) + lines
                #expect(merged.contains(#""city":"Berkeley""#))
                let next = await export(
                    service, "--output", "-", "--changed-since", try moment(in: changed))
                #expect(next.status == 0 && next.lines.count < 50, "\(next)")
                _ = try moment(in: next)
            }
        }
    }

    @Test("an export of unknown changes exits with 65, and writes no file")
    func unknown() async throws {
        try await RunningService.with(["--sandbox-accounts", "5"]) { service in
            try await withTemporaryFolder { folder in
                let outcome = await export(
                    service, "--output", folder + "/x.ndjson", "--changed-since", "2020-01-01T00:00:00Z")
                #expect(outcome.status == 65 && outcome.errors.contains("Changes are recorded since"), "\(outcome)")
                let files = try FileManager.default.contentsOfDirectory(atPath: folder)
                #expect(files.isEmpty, "\(files)")
            }
        }
    }

    @Test("an export of changes without --url is refused")
    func withoutService() async {
        let outcome = await TestProcess.run(
            TestProcess.billingService,
            ["export", "--sandbox", "--output", "-", "--changed-since", "2026-01-31T12:00:00Z"])
        #expect(outcome.status == 64 && outcome.errors.contains("--changed-since requires --url"), "\(outcome)")
    }
}
