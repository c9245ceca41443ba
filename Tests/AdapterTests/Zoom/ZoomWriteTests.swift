import Adapters
import Domain
import DomainFakes
import NIOCore
import Testing

@Suite("Zoom client: writes, and answers without a JSON object", .timeLimit(.minutes(10)))
struct ZoomWriteTests {
    private static let body = #"{"city":"Oakland"}"#

    private static func call(
        _ method: ZoomEndpoint.Method, _ answerBody: ZoomEndpoint.AnswerBody, body: String? = body
    ) -> ZoomCall<ByteBuffer> {
        let endpoint = ZoomEndpoint(
            .getBillingInformation, method, "/accounts/{accountId}/billing", rateLabel: .medium, scopes: [],
            answerBody: answerBody, answerBytesMax: 1000)
        let request = ZoomRequest(
            endpoint, account: AccountID(literal: "a1"), query: [("reason", "no longer & never")],
            body: body.map { ByteBuffer(string: $0) })
        return ZoomCall(request, read: { answer, _ in answer.body })
    }

    private static func failure(_ client: ZoomMasters, _ call: ZoomCall<ByteBuffer>) async -> BillingFailure? {
        do throws(BillingFailure) {
            _ = try await client.perform(call, under: nil, for: .interactive)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "a write sends its method, query and JSON body, and accepts 201, 204 and an empty 200",
        arguments: [ZoomEndpoint.Method.post, .put, .patch, .delete], [200, 201, 204])
    func write(method: ZoomEndpoint.Method, status: Int) async throws {
        let zoom = RecordingZoom { _ in HTTPResponse(status: status) }
        try await zoom.with { client in
            #expect(await Self.failure(client, Self.call(method, .none)) == nil)
        }
        let target = "/v2/accounts/a1/billing?reason=no%20longer%20%26%20never"
        #expect(zoom.requests == ["\(method.rawValue) \(target) application/json 18 \(Self.body)"])
    }

    @Test("a request without a body sends no Content-Type")
    func noBody() async throws {
        let zoom = RecordingZoom { _ in HTTPResponse(status: 204) }
        try await zoom.with { client in
            #expect(await Self.failure(client, Self.call(.delete, .none, body: nil)) == nil)
        }
        #expect(zoom.requests.allSatisfy { $0.contains(" - ") })
    }

    @Test("an error in the body fails a write whose answer is not read, also with status 200", arguments: [200, 400])
    func error(status: Int) async throws {
        let zoom = RecordingZoom { _ in .text(#"{"code":300,"message":"Invalid field."}"#, status: status) }
        try await zoom.with { client in
            #expect(await Self.failure(client, Self.call(.patch, .none)) == .sourceRejected)
        }
    }

    @Test("a binary answer is returned byte for byte, and an empty one is an error")
    func bytes() async throws {
        let bytes: [UInt8] = Array("%PDF-1.7\n".utf8) + [0, 0xFF, 0xFE]
        let document = RecordingZoom { _ in HTTPResponse(status: 200, body: ByteBuffer(bytes: bytes)) }
        try await document.with { client in
            let body = try await client.perform(Self.call(.get, .bytes, body: nil), under: nil, for: .interactive)
            #expect(Array(body.readableBytesView) == bytes)
        }
        let empty = RecordingZoom { _ in HTTPResponse(status: 200) }
        try await empty.with { client in
            #expect(await Self.failure(client, Self.call(.get, .bytes, body: nil)) == .sourceFailed)
        }
    }

    // MARK: Retries

    @Test(
        "a write is sent once if it may have been processed",
        arguments: [
            .text("", status: 500), .text("<html></html>", status: 502), .text("", status: 503),
            .text("", status: 504), .text("", status: 200), .text("no JSON", status: 201),
            .text(#"{"code":124,"message":"Invalid access token."}"#, status: 200),
            .text(#"{"code":124,"message":"Invalid access token."}"#, status: 500),
            .text(#"{"code":429,"message":"Too Many Requests"}"#, status: 500), nil,
        ] as [HTTPResponse?])
    func sentOnce(answer: HTTPResponse?) async throws {
        let zoom = RecordingZoom { _ in answer }
        try await zoom.with { client in
            #expect(await Self.failure(client, Self.call(.patch, .object)) != nil)
        }
        #expect(zoom.requests.count == 1)
    }

    @Test("a read whose connection is lost is sent again")
    func lostRead() async throws {
        let zoom = RecordingZoom { number in number == 0 ? nil : .text(Self.body) }
        try await zoom.with { client in
            #expect(await Self.failure(client, Self.call(.get, .object, body: nil)) == nil)
        }
        #expect(zoom.requests.count == 2)
    }

    @Test(
        "a write is sent again if Zoom refused to process it",
        arguments: [
            .text("", status: 429), .text(#"{"code":124,"message":"Invalid access token."}"#, status: 401),
            .text(#"{"code":124,"message":"Invalid access token."}"#, status: 400),
        ] as [HTTPResponse])
    func sentAgain(answer: HTTPResponse) async throws {
        let zoom = RecordingZoom { number in number == 0 ? answer : .text(Self.body, status: 201) }
        try await zoom.with { client in
            #expect(await Self.failure(client, Self.call(.post, .object)) == nil)
        }
        #expect(zoom.requests.count == 2)
    }

    @Test("a write waits for a retry of the token endpoint and is then sent once")
    func tokenFailure() async throws {
        let zoom = RecordingZoom(
            token: { $0 == 0 ? .text("", status: 503) : .text(#"{"access_token":"t","expires_in":3600}"#) },
            answer: { _ in .text(Self.body, status: 201) })
        try await zoom.with { client in
            #expect(await Self.failure(client, Self.call(.post, .object)) == nil)
        }
        #expect(zoom.requests.count == 1 && zoom.tokens == 2)
    }

    @Test("operations that read have a safe HTTP method, and writes have an unsafe one", arguments: Operation.allCases)
    func methods(operation: Operation) {
        #expect(operation.endpoint.operation == operation)
        #expect(operation.endpoint.method.isSafe == (operation.rules.effect == .read))
    }
}
