import Adapters
import Foundation
import Testing

/// The documents of the operations listener, as a browser gets them.
@Suite("Documents for operators", .timeLimit(.minutes(10)))
struct OperatorDocumentsTests {
    private static func get(_ url: String, _ arguments: String...) async -> (head: String, body: String) {
        let answer = await TestProcess.run("curl", ["--silent", "--include", url] + arguments)
        let parts = answer.output.split(separator: "\r\n\r\n", maxSplits: 1).map(String.init)
        return (parts.first ?? "", parts.count > 1 ? parts[1] : "")
    }

    @Test("the operations listener has the contract, the errors and the page about the API")
    func documents() async throws {
        try await RunningService.with { service in
            for path in ["/openapi.yaml", "/v2/errors"] {
                let here = await Self.get(service.ops + path)
                let forCallers = await Self.get(service.base + (path.hasPrefix("/v2") ? path : "/v2" + path))
                #expect(here.head.hasPrefix("HTTP/1.1 200") && here.body.count > 1000)
                #expect(here.body == forCallers.body)
            }
            let page = await Self.get(service.ops + "/api")
            #expect(page.head.hasPrefix("HTTP/1.1 200"))
            #expect(page.head.contains("default-src 'none'"))
            #expect(page.body.contains("<html lang=\"en\">"))

            guard EmbeddedFile.redocScript != nil else {
                #expect(page.body.contains("GET /v2/billing/stream") && page.body.contains("make assets"))
                #expect(await Self.get(service.ops + "/api/redoc.js").head.hasPrefix("HTTP/1.1 404"))
                return
            }
            // The address of the script changes with its content, so a copy is never too old.
            let address = try #require(page.body.firstMatch(of: /src="(\/api\/redoc\.js\?[0-9a-f]{16})"/)).output.1
            let script = await Self.get(service.ops + address, "--compressed")
            #expect(script.head.contains("content-encoding: gzip"))
            #expect(script.head.contains("cache-control: public, max-age=31536000, immutable"))
            #expect(script.body.contains("Redoc") && !script.body.contains("cdn.redoc.ly"))
            #expect(await Self.get(service.ops + "/openapi.json").head.contains("content-type: application/json"))
        }
    }
}
