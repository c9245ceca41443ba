import Adapters
import NIOCore
import Synchronization

/// A service in this process with scripted answers to changes, for tests of the commands that change accounts.
final class FakeChanges: RequestHandler {
    struct Received: Sendable, Equatable {
        /// The method, the path and the query.
        let request: String
        let key: String?
        let ifMatch: String?
        let body: String
    }

    /// The answers by method, path and query. Each answer but the last is used once.
    private let answers: Mutex<[String: [Reply]]>
    private let log = Mutex<[Received]>([])

    /// - Parameter answers: Any other request gets 404.
    init(_ answers: [String: [Reply]]) {
        self.answers = Mutex(answers)
    }

    /// All requests so far.
    var received: [Received] { log.withLock { $0 } }

    /// The requests that were no dry run and no lookup.
    var sent: [Received] {
        received.filter { !$0.request.hasPrefix("GET ") && !$0.request.hasSuffix("?dry_run=true") }
    }

    func reply(to request: HTTPRequest) -> Reply {
        let name =
            String(decoding: request.method, as: UTF8.self) + " " + String(decoding: request.target, as: UTF8.self)
        guard request.fields.string(.authorization) == "Bearer token" else { return .problem(401, "unauthenticated") }
        return .eventuallyStreamed { [self] in
            let body = (try? await request.body.collect(bytesMax: 1_000_000)) ?? ByteBuffer()
            log.withLock {
                $0.append(
                    Received(
                        request: name, key: request.fields.string(.idempotencyKey),
                        ifMatch: request.fields.string(.ifMatch), body: String(buffer: body)))
            }
            switch next(name) {
            case .now(let response): return .whole(response)
            case .eventually(let response): return .whole(await response())
            case .stream(let response, let body): return .stream(response, body)
            case .eventuallyStreamed(let reply): return await reply()
            case .abandoned: preconditionFailure("use a broken stream")
            }
        }
    }

    private func next(_ name: String) -> Reply {
        answers.withLock { answers in
            guard let all = answers[name], let first = all.first else { return .problem(404, "unknown-path") }
            if all.count > 1 { answers[name]?.removeFirst() }
            return first
        }
    }

    func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        .text("\(refusal.status)", status: refusal.status)
    }

    /// Runs `billing-service` against the service, with its URL and a token.
    func run(
        _ arguments: [String], input: String = "", environment: [String: String] = [:]
    ) async throws -> TestProcess.Outcome {
        try await with { url in
            await TestProcess.run(
                TestProcess.billingService, arguments + ["--url", url],
                environment: ["BILLING_TOKEN": "token"].merging(environment) { $1 }, input: input)
        }
    }

    /// Runs `billing-service` on a terminal, which types `answer` at the question.
    func runOnTerminal(
        _ arguments: [String], answer: String, columns: Int = 200, environment: [String: String] = [:]
    ) async throws -> TestProcess.Outcome {
        try await with { url in
            await TestTerminal.run(
                TestProcess.billingService, arguments + ["--url", url], columns: columns, prompt: "[y/N] ",
                answer: answer, environment: ["BILLING_TOKEN": "token"].merging(environment) { $1 })
        }
    }

    /// Calls `body` with the URL of the service, while it runs.
    func with(_ body: (String) async throws -> TestProcess.Outcome) async throws -> TestProcess.Outcome {
        var outcome: TestProcess.Outcome?
        try await withServer(self) { server in outcome = try await body("http://127.0.0.1:\(server.port)") }
        guard let outcome else { preconditionFailure("the server ran the program") }
        return outcome
    }
}

extension Reply {
    static func noContent(_ fields: [(FieldName, String)] = []) -> Reply {
        var response = HTTPResponse(status: 204)
        for (name, value) in fields { response.fields.append(name, value) }
        return .now(response)
    }

    /// A problem of the service.
    static func problem(
        _ status: Int, _ slug: String, code: Int? = nil, message: String = "No.", more: String = "",
        _ fields: [(FieldName, String)] = []
    ) -> Reply {
        .json(
            #"{"type":"/v2/errors#\#(slug)","status":\#(status),"code":\#(code ?? status),"#
                + #""message":"\#(message)"\#(more)}"#, status: status, fields)
    }

    /// The answer to a dry run.
    static func dryRun(_ operation: String, body: String, changes: String) -> Reply {
        .json(
            #"{"dry_run":true,"operation":"\#(operation)","method":"X","path":"/x","body":\#(body),"changes":\#(changes)}"#
        )
    }

    /// The head of a response, after which the stream is reset.
    static func broken(status: Int) -> Reply {
        .stream(HTTPResponse(status: status)) { _ in .broken }
    }
}
