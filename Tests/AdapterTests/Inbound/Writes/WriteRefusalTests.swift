import Adapters
import Domain
import DomainFakes
import NIOCore
import Testing

@Suite("Changes: refusals", .timeLimit(.minutes(10)))
struct WriteRefusalTests {
    struct Request: CustomTestStringConvertible, Sendable {
        var change = ChangeExample.updateBillingInformation
        var target: String?
        var query = ""
        var key: String? = "key-1"
        var body: String?
        var token = TestService.token
        var contentType: String? = "application/json"
        var fields: [(FieldName, String)] = []
        let status: Int
        let problem: String
        var violated: [String] = []
        var testDescription: String {
            "\(query) \(key ?? "-") \(body?.prefix(20) ?? "") \(fields.map(\.1)) -> \(status) \(problem) \(violated)"
        }
    }

    private static func invalid(_ field: String, key: String? = "key-1", _ fields: [(FieldName, String)] = [])
        -> Request
    {
        Request(key: key, fields: fields, status: 400, problem: "invalid-request", violated: [field])
    }

    private static let requests: [Request] = [
        Request(contentType: nil, status: 415, problem: "unsupported-media-type"),
        Request(contentType: "text/json", status: 415, problem: "unsupported-media-type"),
        Request(contentType: "application/x-ndjson", status: 415, problem: "unsupported-media-type"),
        Request(fields: [(.accept, "text/html")], status: 406, problem: "not-acceptable"),
        Request(
            target: "/v2/accounts/no%20id/billing", status: 400, problem: "invalid-request", violated: ["accountId"]),
        Request(query: "?dry_run=maybe", status: 400, problem: "invalid-request", violated: ["dry_run"]),
        Request(query: "?dry_run", status: 400, problem: "invalid-request", violated: ["dry_run"]),
        Request(query: "?dryrun=true", status: 400, problem: "invalid-request", violated: ["query"]),
        Request(query: "?dry_run=true&dry_run=true", status: 400, problem: "invalid-request", violated: ["dry_run"]),
        invalid("idempotency-key", key: ""), invalid("idempotency-key", key: "\"\""),
        invalid("idempotency-key", key: "two words"), invalid("idempotency-key", key: "\"half"),
        invalid("idempotency-key", key: "a\\b"), invalid("idempotency-key", key: String(repeating: "x", count: 256)),
        invalid("idempotency-key", [(.idempotencyKey, "key-2")]),
        invalid("if-none-match", [(.ifNoneMatch, "*")]), invalid("if-match", [(.ifMatch, "")]),
        invalid("if-match", [(.ifMatch, "abc")]), invalid("if-match", [(.ifMatch, "*, \"a\"")]),
        invalid("if-unmodified-since", [(.ifUnmodifiedSince, "yesterday")]),
        Request(key: nil, status: 400, problem: "idempotency-key-missing", violated: ["idempotency-key"]),
        Request(token: TestService.readerToken, status: 403, problem: "scope-missing"),
        Request(
            query: "?dry_run=true", token: TestService.readerToken, status: 403, problem: "scope-missing"),
        Request(token: "restricted", status: 404, problem: "account-not-found"),
        Request(query: "?dry_run=true", token: "restricted", status: 404, problem: "account-not-found"),
        Request(target: "/v2/accounts/me/billing", status: 404, problem: "account-not-found"),
        Request(token: "dry-runner", status: 403, problem: "scope-missing"),
        Request(change: .cancelBasePlan, token: "dry-runner", status: 403, problem: "scope-missing"),
        Request(body: "", status: 400, problem: "invalid-json"),
        Request(body: "[]", status: 400, problem: "invalid-json"),
        Request(body: "\"city\"", status: 400, problem: "invalid-json"),
        Request(body: "{\"city\":}", status: 400, problem: "invalid-json"),
        Request(body: "{} {}", status: 400, problem: "invalid-json"),
        Request(body: String(repeating: "[", count: 40), status: 400, problem: "invalid-json"),
        Request(body: String(repeating: " ", count: 65_537), status: 413, problem: "body-too-large"),
    ]

    @Test(
        "a wrong request is refused before a key is claimed and before anything is sent",
        arguments: Transport.allCases, requests)
    func refuses(transport: Transport, request: Request) async throws {
        let (writer, keys) = (request.change.writer(), FakeIdempotencyStore())
        var change = request.change
        if let target = request.target {
            change = ChangeExample(
                operation: change.operation, method: change.method, target: target, body: change.body,
                plans: change.plans)
        }
        try await TestService.with(
            source: FakeSource(), writer: writer, keys: keys, over: transport, callers: Self.callers
        ) { service in
            let response = try await service.send(
                change, key: request.key, query: request.query, body: request.body, token: request.token,
                contentType: request.contentType, request.fields)
            #expect(response.status == request.status && response.problem == request.problem)
            #expect(response.violatedFields == request.violated)
            #expect(response.fields.string(.accept) == (request.status == 415 ? "application/json" : nil))
        }
        #expect(writer.sent.isEmpty && keys.calls.isEmpty)
    }

    private static let callers = FakeCallers([
        TestService.token: .everything,
        TestService.readerToken: Caller(name: Name(literal: "reader"), scopes: [.billingRead, .plansRead]),
        "dry-runner": Caller(name: Name(literal: "dry-runner"), scopes: [.plansDryRun]),
        "restricted": Caller(
            name: Name(literal: "restricted"), scopes: Set(Caller.Scope.allCases), accounts: [AccountID(literal: "b")]),
    ])

    @Test(
        "each path names its methods in Allow",
        arguments: [
            ("/billing", "GET, HEAD, PATCH"), ("/plans", "GET, HEAD, POST"), ("/plans/addons", "POST, PUT"),
            ("/plans/addons/status", "PATCH"), ("/plans/base", "PUT"), ("/plans/base/status", "PATCH"),
        ])
    func allow(path: String, allowed: String) async throws {
        try await TestService.with(source: FakeSource()) { service in
            for method in ["DELETE", "OPTIONS"] {
                let response = try await service.send("/v2/accounts/a\(path)", method: method)
                #expect(response.status == 405 && response.fields.string(.allow) == allowed)
            }
            let key = try await service.send("/v2/billing/idempotency-keys/a", method: "PUT")
            #expect(key.status == 405 && key.fields.string(.allow) == "GET, HEAD, DELETE")
        }
    }

    @Test("a body that stops half-way is answered 408, and nothing is sent")
    func interrupted() async throws {
        let (change, keys) = (ChangeExample.updateBillingInformation, FakeIdempotencyStore())
        let writer = change.writer()
        var timeouts = Timeouts.longTimeouts
        timeouts.bodySilence = .milliseconds(200)
        try await TestService.with(
            source: FakeSource(), writer: writer, keys: keys, timeouts: timeouts
        ) { service in
            try await TextPeer.connected(to: service.server.port) { peer in
                try await peer.request(
                    "PATCH", change.target, "Authorization: Bearer \(TestService.token)",
                    "Content-Type: application/json", "Idempotency-Key: key-1", "Content-Length: 100",
                    body: #"{"city":"Oakland""#)
                let response = try await peer.untilClosed()
                #expect(response.hasPrefix("HTTP/1.1 408 ") && response.contains("request-timed-out"))
            }
        }
        #expect(writer.sent.isEmpty && keys.calls.isEmpty)
    }

    @Test("mutated bodies are answered with a problem and are not sent, or are valid", arguments: ChangeExample.all)
    func mutations(change: ChangeExample) async throws {
        let writer = change.writer()
        let seed = UInt64.random(in: 0...999_999)
        var random = SeededRandom(seed: seed)
        try await TestService.with(source: FakeSource(), writer: writer) { service in
            for round in 0..<300 {
                let body = String(decoding: Self.mutated(Array(change.body.utf8), &random), as: UTF8.self)
                let sentBefore = writer.sent.count
                let response = try await service.send(change, key: "key-\(round)", body: body)
                let wasSent = writer.sent.count > sentBefore
                #expect(
                    wasSent == (response.status == change.status) && (wasSent || (400..<500).contains(response.status)),
                    "seed \(seed), round \(round): \(response.status)")
                if !wasSent { #expect(response.problem != nil) }
            }
        }
    }

    /// Changes, removes, repeats and inserts up to eight bytes.
    private static func mutated(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            let end = min(bytes.count, place + Int.random(in: 1...8, using: &random))
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes.removeSubrange(place..<end)
            case 2: bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &random))
            default: bytes.insert(UInt8.random(in: .min ... .max, using: &random), at: place)
            }
            if bytes.isEmpty { return bytes }
        }
        return bytes
    }
}
