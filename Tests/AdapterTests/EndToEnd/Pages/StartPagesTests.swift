import Adapters
import Domain
import Foundation
import Testing

/// The commands of the pages for new users work, and print what the pages show.
@Suite("Getting started", .timeLimit(.minutes(10)))
struct StartPagesTests {
    private let operatorPage: String

    init() throws {
        operatorPage = try String(
            contentsOf: TestProcess.root.appending(path: "docs/start-operator.md"), encoding: .utf8)
    }

    @Test(
        "the commands of the page for callers and of the page for reporting jobs print what the page shows",
        arguments: ["docs/start-caller.md", "docs/start-reporting.md"])
    func commands(page: String) async throws {
        try await RunningService.with { service in
            try await withTemporaryFolder { folder in
                let accounts = service.curls.compactMap {
                    $0.firstMatch(of: /\/v2\/accounts\/([^\/]+)\//).map { String($0.output.1) }
                }
                try #require(accounts.count == 2)
                try await checkCommands(
                    of: page, in: folder,
                    environment: service.environment([
                        "ACCOUNT": accounts[0], "SELF_PAY": accounts[1], "BILLING_TOKEN": service.token,
                    ]))
            }
        }
    }

    @Test("the operator's commands for TLS work")
    func tls() async throws {
        let serving = try #require(operatorPage.blocks("sh").first { $0.hasPrefix("openssl ") })
            .replacing(
                "billing-service serve", with: "exec \(TestProcess.billingService) serve --http-port 0 --ops-port 0")
        let request = try #require(operatorPage.blocks("sh").first { $0.contains("https://localhost:8443") })
        try await withTemporaryFolder { folder in
            let service = TestProcess("sh", ["-c", "cd \(folder)\n\(serving)"])
            let output = try await service.output(containing: "/v2/billing/stream\n")
            let port = try #require(output.firstMatch(of: /Listening on https:\/\/127.0.0.1:(\d+)/)).output.1
            let token = try #require(output.firstMatch(of: /Bearer ([^']+)'/)).output.1
            let account = try #require(output.firstMatch(of: /accounts\/([^\/]+)\/billing/)).output.1
            let answer = await TestProcess.run(
                "sh", ["-c", "cd \(folder)\n\(request.replacing("8443", with: port))"],
                environment: ["TOKEN": String(token), "ACCOUNT": String(account)])
            #expect(answer.output.hasPrefix(#"{"address":"#), "\(answer.errors)")
            service.signal(SIGTERM)
            #expect(await service.outcome().status == 0)
        }
    }

    @Test("the operator's commands make the two files, run the service with them and look at it")
    func files() async throws {
        try await withTemporaryFolder { folder in
            let zoom = TestProcess(
                TestProcess.billingService,
                ["sandbox", "--sandbox-port", "0", "--sandbox-credentials-file", folder + "/made.json"])
            let output = try await zoom.output(containing: "Listening on ")
            let zoomBase = String(try #require(output.firstMatch(of: /http:\/\/[0-9.:]+/)).output)
            let app = try #require(
                try CredentialsFile(PrivateFile(path: folder + "/made.json")).read().masters.first?.credentials)
            let making = try #require(
                operatorPage.blocks("sh").first { $0.hasPrefix("billing-service credentials add") }
            )
            .replacing("billing-service", with: TestProcess.billingService)
            .replacing("ACCOUNT", with: app.accountID.rawValue).replacing("CLIENT", with: app.clientID)
            let made = await TestProcess.run(
                "sh", ["-ec", "cd \(folder)\n\(making)\necho \"$TOKEN\""],
                input: String(decoding: app.clientSecret.bytes, as: UTF8.self))
            let token = try #require(made.lines.last, "\(made.errors)")
            #expect(made.status == 0 && token.hasPrefix(CallerToken.prefix))

            let command = try #require(operatorPage.blocks("sh").first { $0.hasPrefix("billing-service serve") })
                .replacing(
                    "billing-service serve",
                    with: "exec \(TestProcess.billingService) serve --http-port 0 --ops-port 0 --shutdown-delay 0s"
                )
                .replacing("http://127.0.0.1:8090", with: zoomBase)
            let service = TestProcess("sh", ["-c", "cd \(folder) && \(command)"])
            let listening = try await service.output(containing: "Operations on ")
            let base = String(try #require(listening.firstMatch(of: /http:\/\/[0-9.:]+/)).output)
            let answer = await TestProcess.run(
                "curl",
                [
                    "--silent", "--http2-prior-knowledge", "-H", "authorization: Bearer \(token)",
                    base + "/v2/accounts/a/billing",
                ])
            #expect(answer.output.contains(#""code":2001"#))
            let ops = String(try #require(listening.matches(of: /http:\/\/[0-9.]+:\d+/).last).output)
            let looks = operatorPage.blocks("sh").filter { $0.contains("http://127.0.0.1:9090") }
            #expect(looks.count == 2)
            for (look, expected) in zip(looks, [#"{"status":"ready","checks":["#, "zoom_budget_limit_per_second{"]) {
                let shown = await TestProcess.run("sh", ["-ec", look.replacing("http://127.0.0.1:9090", with: ops)])
                #expect(shown.output.contains(expected), "\(shown)")
            }
            for process in [service, zoom] {
                process.signal(SIGTERM)
                #expect(await process.outcome().status == 0)
            }
        }
    }
}
