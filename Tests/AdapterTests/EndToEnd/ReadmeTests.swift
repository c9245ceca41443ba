import Adapters
import Domain
import Foundation
import Testing

/// The examples of the README work.
@Suite("README", .timeLimit(.minutes(10)))
struct ReadmeTests {
    private let text: String

    init() throws {
        text = try String(contentsOf: TestProcess.root.appending(path: "README.md"), encoding: .utf8)
    }

    private func blocks(_ language: String) -> [String] { text.blocks(language) }

    @Test("the curl commands work")
    func curl() async throws {
        let lines = blocks("sh").filter { $0.hasPrefix("curl ") && !$0.contains("https://") }
        #expect(lines.count == 5)
        try await RunningService.with { service in
            let account = String(try #require(service.curls[0].firstMatch(of: /accounts\/([^\/]+)\/billing/)).output.1)
            var outputs: [String] = []
            for line in lines {
                let command = line.replacing("http://127.0.0.1:8080", with: service.base)
                    .replacing("http://127.0.0.1:9090", with: service.ops)
                let outcome = await TestProcess.run(
                    "sh", ["-c", command], environment: ["TOKEN": service.token, "ACCOUNT": account])
                #expect(outcome.status == 0)
                outputs.append(outcome.output)
            }
            #expect(outputs[0].hasPrefix(#"{"address":"#))
            #expect(outputs[1].split(separator: "\n").count == 1002)
            #expect(
                outputs[2].hasPrefix(#"{"type":"begin","accounts":"#) && outputs[2].contains("\"after\":\"\(account)\"")
            )
            #expect(outputs[3].hasPrefix(#"{"status":"ready","checks":["#))
            #expect(outputs[4].contains("\nhttp_server_request_duration_seconds_count{"))
        }
    }

    @Test("the commands for TLS work")
    func tls() async throws {
        let serving = try #require(blocks("sh").first { $0.hasPrefix("openssl ") })
            .replacing(
                "billing-service serve", with: "exec \(TestProcess.billingService) serve --http-port 0 --ops-port 0")
        let request = try #require(blocks("sh").first { $0.contains("https://localhost:8443") })
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

    @Test("the commands that make the two files and run the service with them work")
    func files() async throws {
        try await withTemporaryFolder { folder in
            let zoom = TestProcess(
                TestProcess.billingService,
                ["sandbox", "--sandbox-port", "0", "--sandbox-credentials-file", folder + "/made.json"])
            let output = try await zoom.output(containing: "Listening on ")
            let zoomBase = String(try #require(output.firstMatch(of: /http:\/\/[0-9.:]+/)).output)
            let app = try #require(
                try CredentialsFile(PrivateFile(path: folder + "/made.json")).read().masters.first?.credentials)
            let making = try #require(blocks("sh").first { $0.hasPrefix("billing-service credentials add") })
                .replacing("billing-service", with: TestProcess.billingService)
                .replacing("ACCOUNT", with: app.accountID.rawValue).replacing("CLIENT", with: app.clientID)
            let made = await TestProcess.run(
                "sh", ["-ec", "cd \(folder)\n\(making)\necho \"$TOKEN\""],
                input: String(decoding: app.clientSecret.bytes, as: UTF8.self))
            let token = try #require(made.lines.last, "\(made.errors)")
            #expect(made.status == 0 && token.hasPrefix(CallerToken.prefix))

            let command = try #require(blocks("sh").first { $0.hasPrefix("billing-service serve") })
                .replacing(
                    "billing-service serve",
                    with: "exec \(TestProcess.billingService) serve --http-port 0 --ops-port 0 --shutdown-delay 0s"
                )
                .replacing("http://127.0.0.1:8090", with: zoomBase)
            let service = TestProcess("sh", ["-c", "cd \(folder) && \(command)"])
            let listening = try await service.output(containing: "Listening on ")
            let base = String(try #require(listening.firstMatch(of: /http:\/\/[0-9.:]+/)).output)
            let answer = await TestProcess.run(
                "curl",
                [
                    "--silent", "--http2-prior-knowledge", "-H", "authorization: Bearer \(token)",
                    base + "/v2/accounts/a/billing",
                ])
            #expect(answer.output.contains(#""code":2001"#))
            for process in [service, zoom] {
                process.signal(SIGTERM)
                #expect(await process.outcome().status == 0)
            }
        }
    }

    @Test("every make target in the README exists")
    func targets() async throws {
        let help = await TestProcess.run("make", ["help"])
        #expect(help.status == 0)
        for match in text.matches(of: /make ([a-z-]+)/) {
            #expect(help.output.contains("make \(match.output.1) "))
        }
    }
}

extension String {
    /// The code blocks of a language in a Markdown text; "" selects blocks without a language.
    func blocks(_ language: String) -> [String] {
        // Every second part is a block, and its first line is the language.
        components(separatedBy: "```").enumerated().filter { $0.offset % 2 == 1 }.compactMap { _, block in
            let lines = block.split(separator: "\n", omittingEmptySubsequences: false)
            guard lines.first.map(String.init) == language else { return nil }
            return lines.dropFirst().dropLast().joined(separator: "\n")
        }
    }
}
