import Adapters
import NIOCore
import Testing

/// A service whose first stream continues at each request for `/next`, and ends with an error. The second stream has the
/// rest.
private struct SteppedStream: RequestHandler {
    private let steps: AsyncStream<Void>
    private let step: AsyncStream<Void>.Continuation

    init() {
        (steps, step) = AsyncStream<Void>.makeStream()
    }

    private static func account(_ id: String) -> String {
        #"{"type":"contact","account_id":"\#(id)","as_of":"2030-01-31T12:00:00Z","billing":{"city":"Bern"}}"# + "\n"
    }

    private static let parts = [
        "\n", #"{"type":"begin","accounts":4}"# + "\n" + account("a"),
        #"{"type":"heartbeat","done":1,"accounts":4,"waiting":"zoom-rate-limit"}"# + "\n", account("b"),
    ]

    private static let error =
        #"{"type":"error","status":429,"code":429,"message":"No room today.","retry_after":7200}"# + "\n"

    private static let rest =
        #"{"type":"begin","accounts":2,"after":"b"}"# + "\n" + account("c") + account("d")
        + #"{"type":"end","complete":true,"contacts":2,"failures":0}"# + "\n"

    func reply(to request: HTTPRequest) -> Reply {
        if request.path.elementsEqual(Array("/next".utf8)) {
            step.yield()
            return .now(.text(""))
        }
        var head = HTTPResponse(status: 200)
        head.fields.append(.contentType, "application/x-ndjson")
        let isFirst = !String(decoding: request.target, as: UTF8.self).contains("after=")
        return .stream(head) { body in
            guard isFirst else {
                try? await body.write(ByteBuffer(string: Self.rest))
                return .complete
            }
            var iterator = steps.makeAsyncIterator()
            for part in Self.parts {
                try? await body.write(ByteBuffer(string: part))
                await iterator.next()
            }
            try? await body.write(ByteBuffer(string: Self.error))
            return .broken
        }
    }

    func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        .text("\(refusal.status)", status: refusal.status)
    }
}

@Suite("The progress of billing-service export", .timeLimit(.minutes(10)))
struct ExportProgressTests {
    @Test("the bar counts each account when it arrives, and says what the export waits for")
    func waits() async throws {
        try await withServer(SteppedStream()) { server in
            let base = "http://127.0.0.1:\(server.port)"
            let outcome = await TestTerminal.run(
                TestProcess.billingService, ["export", "--url", base, "--output", "-"], columns: 200,
                redirection: .output,
                steps: [
                    .get(base + "/next", after: "0 accounts, waiting for Zoom's list of accounts"),
                    .get(base + "/next", after: "] 1 of 4 accounts"),
                    .get(base + "/next", after: "] 1 of 4 accounts, waiting for Zoom's rate limit"),
                    .get(base + "/next", after: "] 2 of 4 accounts"),
                ], environment: ["BILLING_TOKEN": "token", "TZ": "UTC"])
            #expect(outcome.status == 0, "\(outcome)")
            let error =
                /2 of 4 accounts, No room today. \(code 429\), possible again at \d\d:\d\d, in (2 h 0|1 h 59) min/
            #expect(outcome.output.contains(error), "\(outcome.output)")
            #expect(!outcome.output.contains(/possible again[^\r]* left/), "\(outcome.output)")
            #expect(outcome.output.contains("accounts  4\r\n"), "\(outcome.output)")
        }
    }
}
