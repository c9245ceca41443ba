import Adapters
import DomainFakes
import Foundation
import NIOCore
import Testing

/// The documents of the listener for callers.
@Suite("Documents for callers", .timeLimit(.minutes(10)))
struct DocumentsTests {
    private static let paths = ["/v2/errors", "/v2/openapi.json", "/v2/openapi.yaml"]

    private static func with(
        metrics: MetricsRegistry = MetricsRegistry(), _ test: (TestService) async throws -> Void
    ) async throws {
        try await TestService.with(source: FakeSource(listed: []), metrics: metrics, test)
    }

    @Test("every document needs no token, and is revalidated by its entity tag", arguments: paths)
    func revalidation(path: String) async throws {
        try await Self.with { service in
            let whole = try await service.send(path, token: nil)
            guard path != "/v2/openapi.json" || EmbeddedFile.openapiJSON != nil else {
                #expect(whole.status == 404 && whole.json?["type"] == .string("/v2/errors#unknown-path"))
                return
            }
            #expect(whole.status == 200 && whole.body.readableBytes > 1000)
            let etag = try #require(whole.fields.string(.etag))
            #expect(etag.wholeMatch(of: /"[0-9a-f]{16}"/) != nil)
            #expect(whole.fields.string(.cacheControl) == "public, max-age=300")
            // A wrong token is no guess here.
            let again = try await service.send(path, token: "wrong", [(.ifNoneMatch, etag)])
            #expect(again.status == 304 && again.body.readableBytes == 0 && again.fields.string(.etag) == etag)
            #expect(try await service.send(path, token: nil, [(.ifNoneMatch, "\"other\"")]).status == 200)
            let date = "Fri, 31 Dec 9999 23:59:59 GMT"
            #expect(try await service.send(path, token: nil, [(.ifModifiedSince, date)]).status == 200)

            let head = try await service.send(path, method: "HEAD", token: nil)
            #expect(head.status == 200 && head.body.readableBytes == 0 && head.fields.string(.etag) == etag)
            #expect(head.fields.string(.contentLength) == "\(whole.body.readableBytes)")

            let refused = try await service.send(path, method: "DELETE", token: nil)
            #expect(refused.status == 405 && refused.fields.string(.allow) == "GET, HEAD")
        }
    }

    @Test("requests for documents are counted by their routes, and other paths still need a token")
    func metrics() async throws {
        let metrics = MetricsRegistry()
        try await Self.with(metrics: metrics) { service in
            for path in Self.paths { _ = try await service.send(path, token: nil) }
            #expect(try await service.send("/v2/error", token: nil).status == 404)
            #expect(try await service.send("/v2/errors/", token: nil).status == 404)
            #expect(try await service.send("/v2/%65rrors", token: nil).status == 400)
            #expect(try await service.send("/v2/accounts/a/billing", token: nil).status == 401)
            var text = ByteBuffer()
            metrics.samples().write(.text, to: &text)
            let routes = Set(String(buffer: text).matches(of: /http_route="([^"]*)"/).map { String($0.output.1) })
            #expect(routes == Set(Self.paths + ["none", "/v2/accounts/{accountId}/billing"]))
        }
    }

    @Test("the type of an error is the address of a section of the page, which has nothing from elsewhere")
    func sections() async throws {
        try await Self.with { service in
            let page = try await service.send("/v2/errors", token: nil)
            let text = String(buffer: page.body)
            #expect(page.fields.string(.contentType) == "text/html; charset=utf-8")
            for type in ProblemType.allCases {
                #expect(text.contains("<section id=\"\(type.rawValue)\""))
                #expect(text.contains(type.explanation.title))
            }
            let ids = text.matches(of: /\bid="([^"]+)"/).map { String($0.output.1) }
            #expect(Set(ids).count == ids.count, "an id occurs twice")
            let links = text.matches(of: /\bhref="#([^"]+)"/).map { String($0.output.1) }
            #expect(links.count > ProblemType.allCases.count && Set(links).isSubset(of: ids))
            #expect(text.matches(of: /(src|href)="(?!#|data:,)/).isEmpty)

            let policy = try #require(page.fields.string(.contentSecurityPolicy))
            let style = try #require(text.firstMatch(of: /<style>([^<]*)<\/style>/)).output.1
            let hash = Data(SHA256Digest(of: String(style)).bytes).base64EncodedString()
            #expect(
                policy == "default-src 'none'; img-src data:; style-src 'sha256-\(hash)'; base-uri 'none'; "
                    + "form-action 'none'; frame-ancestors 'none'")
        }
    }

    @Test("the contract is openapi.yaml, byte for byte")
    func contract() async throws {
        let file = try Data(contentsOf: TestProcess.root.appending(path: "openapi.yaml"))
        try await Self.with { service in
            let contract = try await service.send("/v2/openapi.yaml", token: nil)
            #expect(contract.fields.string(.contentType) == "application/yaml")
            #expect(Data(contract.body.readableBytesView) == file)
        }
    }

    @Test("the operations of the contract are found, with their summaries")
    func operations() throws {
        let contract = try String(contentsOf: TestProcess.root.appending(path: "openapi.yaml"), encoding: .utf8)
        let operations = ContractOperation.all(in: contract)
        let paths = Set(contract.matches(of: /\n  (\/[^:]*):\n/).map { String($0.output.1) })
        #expect(Set(operations.map(\.path)) == paths && paths.contains("/v2/billing/stream"))
        #expect(operations.count == contract.matches(of: /\n {6}operationId:/).count)
        #expect(operations.allSatisfy { ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].contains($0.method) })
        let first = try #require(operations.first)
        #expect(first.method == "GET" && first.path == "/v2/accounts" && first.summary == "List sub accounts")
    }
}
