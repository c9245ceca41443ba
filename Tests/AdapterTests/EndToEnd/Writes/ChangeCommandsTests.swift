import Foundation
import Testing

/// The commands that change accounts, with a service and its sandbox.
@Suite("Commands that change accounts, with a service", .timeLimit(.minutes(10)))
struct ChangeCommandsTests {
    private struct Commands {
        let service: RunningService
        let account: String

        /// Runs a command for the account.
        func callAsFunction(_ arguments: String..., more: [String] = []) async -> TestProcess.Outcome {
            await TestProcess.run(
                TestProcess.billingService, arguments + more + ["--url", service.base, "--", account],
                environment: ["BILLING_TOKEN": service.token])
        }
    }

    private static func with(_ test: (Commands) async throws -> Void) async throws {
        try await RunningService.with { service in
            let account = try #require(service.accountPath.split(separator: "/").dropFirst(2).first)
            try await test(Commands(service: service, account: String(account)))
        }
    }

    @Test("a contact is changed, and the next lookup shows it")
    func contact() async throws {
        try await Self.with { command in
            let before = await command("get").output
            let dryRun = await command("update", "billing", "--dry-run", "--city", "Berkeley", "--zip", "94704")
            #expect(dryRun.status == 0 && dryRun.output.contains("Oakland -> Berkeley\n"), "\(dryRun)")
            #expect(await command("get").output == before)
            let made = await command("update", "billing", "--yes", "--city", "Berkeley", "--zip", "94704")
            #expect(made.status == 0 && made.output == "Done.\n", "\(made)")
            #expect(
                await command("get").output
                    == before.replacing("Oakland", with: "Berkeley").replacing("94607", with: "94704"))
            let stale = await command(
                "update", "billing", "--yes", "--if-match", "0", "--city", "Oakland", "--zip", "94607")
            #expect(stale.status == 65 && stale.errors.contains("Nothing was sent."), "\(stale)")
            #expect(await command("get", "--no-cache").output.contains("Berkeley"))
        }
    }

    @Test("broken rules of a contact are a list, and nothing is sent")
    func violations() async throws {
        try await Self.with { command in
            let refused = await command("update", "billing", "--yes", "--email", "nobody", "--country", "USA")
            #expect(refused.status == 64 && !refused.errors.contains("Idempotency-Key"), "\(refused)")
            for field in ["email", "country"] {
                #expect(refused.errors.contains("\n  \(field)  "), "\(refused)")
            }
        }
    }

    @Test("plans are changed, bought and cancelled, each once for a key")
    func plans() async throws {
        try await Self.with { command in
            let base = ["--type", "business_monthly", "--hosts", "12", "--yes", "--idempotency-key", "k-1"]
            for expected in ["Done.\n", "Done. An earlier request with this key made the change.\n"] {
                let updated = await command("update", "base-plan", more: base)
                #expect(updated.status == 0 && updated.output == expected, "\(updated)")
            }
            let webinar = ["--type", "webinar500_monthly", "--yes"]
            let bought = await command("subscribe", "additional-plan", more: webinar + ["--hosts", "1"])
            #expect(bought.status == 0 && bought.output.hasPrefix("Done.\n"), "\(bought)")
            let changed = await command("update", "additional-plan", more: webinar + ["--hosts", "2"])
            #expect(changed.status == 0, "\(changed)")
            let plans = await command("plans").lines.map { $0.split(separator: " ").prefix(4).joined(separator: " ") }
            #expect(plans.contains("plan_base business_monthly 12 active"), "\(plans)")
            #expect(plans.contains("plan_webinar webinar500_monthly 2 active"), "\(plans)")
            let early = await command("cancel", "base-plan", "--yes")
            #expect(early.status == 65 && !early.errors.contains("Idempotency-Key"), "\(early)")
            let summary = await command("cancel", "additional-plan", "--dry-run", "--type", "webinar500_monthly")
            #expect(summary.status == 0 && summary.output.contains("plan_webinar.hosts"), "\(summary)")
            let cancelled = await command("cancel", "additional-plan", more: webinar + ["--reason", "6"])
            #expect(cancelled.status == 0, "\(cancelled)")
            let ended = await command("cancel", "base-plan", "--yes")
            #expect(ended.status == 0, "\(ended)")
            #expect(!(await command("plans").output.contains("active")))
        }
    }

    @Test("a key of another change is refused, is shown, and can be removed")
    func keys() async throws {
        try await Self.with { command in
            let key = ["--idempotency-key", "k-1", "--yes"]
            let made = await command("update", "billing", "--city", "Berkeley", "--zip", "94704", more: key)
            #expect(made.status == 0, "\(made)")
            let other = await command("update", "billing", "--city", "Oakland", "--zip", "94607", more: key)
            #expect(other.status == 64 && other.errors.contains("status 422"), "\(other)")
            func keys(_ name: String) async -> TestProcess.Outcome {
                await TestProcess.run(
                    TestProcess.billingService, ["keys", name, "k-1", "--url", command.service.base],
                    environment: ["BILLING_TOKEN": command.service.token])
            }
            let shown = await keys("show")
            #expect(shown.status == 0 && shown.output.contains("finished"), "\(shown)")
            #expect(shown.output.contains(command.account), "\(shown)")
            #expect(await keys("remove").output == "removed the key k-1\n")
            #expect(await keys("show").status == 66)
        }
    }

    @Test("contact values that a command sends are not in the log of the service")
    func log() async throws {
        try await Self.with { command in
            let made = await command("update", "billing", "--yes", "--address", "99 Secret Lane")
            #expect(made.status == 0, "\(made)")
            try await command.service.process.errors(containing: "cli-")
            #expect(command.service.process.count(of: "Secret Lane") == 0)
        }
    }
}
