import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

/// The examples of the pages for operators work.
@Suite("Pages for operators", .timeLimit(.minutes(10)))
struct OperationsPageTests {
    private static func page(_ name: String) throws -> String {
        try String(contentsOf: TestProcess.root.appending(path: "docs/\(name)"), encoding: .utf8)
    }

    @Test("docs/settings.md is the output of billing-service settings and has every setting of serve")
    func settings() async throws {
        let printed = await TestProcess.run(TestProcess.billingService, ["settings"])
        let page = try Self.page("settings.md")
        #expect(printed.status == 0)
        #expect(printed.output == page, "run: billing-service settings > docs/settings.md")
        // The page has every setting of serve.
        let serve = await TestProcess.run(TestProcess.billingService, ["serve", "--sandbox", "--print-config"])
        for line in serve.lines { #expect(page.contains("| `\(line.prefix { $0 != " " })` |"), "\(line)") }
    }

    @Test("the commands in docs/operations.md work, and its log line has the right members")
    func lines() async throws {
        let page = try Self.page("operations.md")
        let blocks = page.blocks("sh")
        try await FiledService.with { service in
            try write(TestZoom.app.clientSecret + "\n", to: service.folder + "/new-secret")
            let lines = blocks.filter { !$0.contains(" serve ") }.joined(separator: "\n")
                .replacing("http://127.0.0.1:9090", with: service.ops)
                .replacing("http://127.0.0.1:8090", with: "http://127.0.0.1:\(service.zoomPort)")
            let program = URL(filePath: TestProcess.billingService).deletingLastPathComponent().path(
                percentEncoded: false)
            let outcome = await TestProcess.run(
                "sh", ["-ec", "cd \(service.folder)\nPATH=\(program):$PATH\n\(lines)"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("zoom_budget_limit_per_second{master=\"main\",label=\"Medium\"}"))
        }
        for block in blocks where block.contains(" serve ") {
            let arguments = block.split(separator: " ").map(String.init).filter { $0 != "\n" }
            #expect(Array(arguments.prefix(3)) == ["billing-service", "serve", "--sandbox"])
            let flags = arguments.dropFirst(3).map { $0.trimmingCharacters(in: .newlines) }
            try await RunningService.with(flags) { service in
                #expect(await service.curl(service.accountPath).status == 0)
            }
        }
        // The log line on the page has the same members as a real one.
        let shown = try #require(page.blocks("json").first)
        try await RunningService.with(["--log-level", "debug"]) { service in
            _ = await service.curl(service.accountPath)
            let log = try await service.process.errors(containing: #""message":"request""#)
            let line = try #require(log.split(separator: "\n").first { $0.contains(#""message":"request""#) })
            let names = try [String(shown), String(line)].map { text in
                let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
                return Set((object ?? [:]).keys)
            }
            #expect(names[0] == names[1])
        }
    }

    @Test("the commands in docs/runbook.md work")
    func runbook() async throws {
        let blocks = try Self.page("runbook.md").blocks("sh")
        #expect(blocks.count > 15)
        let metrics = try #require(blocks.first { $0.hasPrefix("metrics()") })
        try await FiledService.with { service in
            let token = try await service.token(
                of: "app", "--scopes", "billing:read,billing:export", "--master", "main")
            try await service.wait(for: 200, service.account(of: service.main), token: token)
            let folder = service.folder
            try write("\(TestZoom.app.clientSecret)\n", to: folder + "/new-secret")
            try write(#"{"http":{"port":0},"credentials":{"file":"credentials.json"}}"#, to: folder + "/settings.json")
            let program = URL(filePath: TestProcess.billingService).deletingLastPathComponent().path(
                percentEncoded: false)
            let zoom = "http://127.0.0.1:\(service.zoomPort)"
            let prelude = """
                cd \(folder); PATH=\(program):$PATH; export BILLING_ZOOM_OAUTH_URL=\(zoom)/oauth/token
                export BILLING_ZOOM_API_URL=\(zoom)/v2
                logs() { echo; }
                \(metrics)
                """
            for block in blocks {
                let text = (prelude + "\n" + block).replacing("http://127.0.0.1:9090", with: service.ops)
                    .replacing("https://api.zoom.us", with: zoom).replacing("--name MASTER", with: "--name main")
                let outcome = await TestProcess.run("sh", ["-c", text])
                // grep exits with 1 if there is no match.
                let mayFindNothing = block.contains("| grep")
                #expect(outcome.errors.isEmpty && outcome.status <= (mayFindNothing ? 1 : 0), "\(block)\n\(outcome)")
            }
        }
    }
}
