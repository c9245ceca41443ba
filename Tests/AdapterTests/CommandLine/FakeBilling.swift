import Adapters
import NIOCore
import Synchronization

/// A service in this process with fixed answers, for tests of commands that call one.
final class FakeBilling: RequestHandler {
    private let answers: [String: Reply]
    private let received = Mutex<[String]>([])

    /// - Parameter answers: The answers by path and query. Any other request gets 404.
    init(_ answers: [String: Reply]) {
        self.answers = answers
    }

    /// The paths and queries of all requests so far.
    var targets: [String] { received.withLock { $0 } }

    func reply(to request: HTTPRequest) -> Reply {
        let target = String(decoding: request.target, as: UTF8.self)
        received.withLock { $0.append(target) }
        guard request.fields.string(.authorization) == "Bearer token" else {
            return .json(#"{"code":124,"message":"Invalid access token."}"#, status: 401)
        }
        return answers[target]
            ?? .json(
                #"{"type":"/v2/errors#unknown-path","code":404,"message":"There is nothing here."}"#,
                status: 404)
    }

    func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        .text("\(refusal.status)", status: refusal.status)
    }

    /// Runs `billing-service` against a service with the answers.
    static func run(
        _ arguments: [String], answers: [String: Reply], environment: [String: String] = [:]
    ) async throws -> TestProcess.Outcome {
        var outcome: TestProcess.Outcome?
        try await withServer(FakeBilling(answers)) { server in
            outcome = await TestProcess.run(
                TestProcess.billingService, arguments + ["--url", "http://127.0.0.1:\(server.port)"],
                environment: ["BILLING_TOKEN": "token"].merging(environment) { $1 })
        }
        guard let outcome else { preconditionFailure("the server ran the program") }
        return outcome
    }
}

extension Reply {
    static func json(_ text: String, status: Int = 200, _ fields: [(FieldName, String)] = []) -> Reply {
        var response = HTTPResponse.text(
            text, status: status, contentType: status == 200 ? "application/json" : "application/problem+json")
        for (name, value) in fields { response.fields.append(name, value) }
        return .now(response)
    }

    /// A PDF file that is streamed.
    ///
    /// - Parameters:
    ///   - length: The value of `content-length`; nil for none.
    ///   - meanwhile: Runs before the second half is sent.
    static func pdf(
        _ bytes: [UInt8], length: Int? = nil, ending: StreamEnding = .complete,
        meanwhile: @escaping @Sendable () async -> Void = {}
    ) -> Reply {
        var response = HTTPResponse(status: 200)
        response.fields.append(.contentType, "application/pdf")
        if let length { response.fields.append(.contentLength, length) }
        return .stream(response) { body in
            let half = bytes.count / 2
            try? await body.write(ByteBuffer(bytes: bytes[..<half]))
            await meanwhile()
            try? await body.write(ByteBuffer(bytes: bytes[half...]))
            return ending
        }
    }
}
