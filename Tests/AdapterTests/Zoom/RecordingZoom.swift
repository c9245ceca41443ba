import Adapters
import Domain
import DomainFakes
import NIOCore
import Synchronization

/// A Zoom that records the requests to its API, and answers each by its number from 0.
final class RecordingZoom: Sendable {
    private struct State {
        var requests: [String] = []
        var tokens = 0
    }

    private let state = Mutex(State())
    private let answer: @Sendable (Int) -> HTTPResponse?
    private let token: @Sendable (Int) -> HTTPResponse

    /// - Parameters:
    ///   - token: The answer of the token endpoint.
    ///   - answer: The answer of the API; `nil` to close the connection.
    init(
        token: @escaping @Sendable (Int) -> HTTPResponse = { .text(#"{"access_token":"t\#($0)","expires_in":3600}"#) },
        answer: @escaping @Sendable (Int) -> HTTPResponse?
    ) {
        self.token = token
        self.answer = answer
    }

    /// Method, target, media type, length and body of each request.
    var requests: [String] { state.withLock { $0.requests } }

    var tokens: Int { state.withLock { $0.tokens } }

    var handler: ScriptedHandler {
        ScriptedHandler { [self] request in
            if request.path.elementsEqual("/oauth/token".utf8) {
                return .now(
                    token(
                        state.withLock { state in
                            state.tokens += 1
                            return state.tokens - 1
                        }))
            }
            let number = requests.count
            guard let response = answer(number) else {
                return .abandoned {
                    await self.record(request)
                    return .disconnect
                }
            }
            return .eventually {
                await self.record(request)
                return response
            }
        }
    }

    private func record(_ request: HTTPRequest) async {
        let body = try? await request.body.collect(bytesMax: 1000)
        let parts = [
            String(decoding: request.method, as: UTF8.self), String(decoding: request.target, as: UTF8.self),
            request.fields.string(.contentType) ?? "-", request.fields.string(.contentLength) ?? "-",
            body.map { String(buffer: $0) } ?? "-",
        ]
        state.withLock { $0.requests.append(parts.joined(separator: " ")) }
    }

    func with(_ test: (ZoomMasters) async throws -> Void) async throws {
        try await withServer(handler) { server in
            try await TestZoom.with(
                server, [.test(server)], FakeCredentials([.test()]), retryTime: .seconds(15), time: AutoAdvancingClock()
            ) { client in try await test(client) }
        }
    }
}
