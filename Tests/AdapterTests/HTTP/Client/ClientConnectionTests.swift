import Adapters
import DomainFakes
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("HTTP client: one connection", .timeLimit(.minutes(10)))
struct ClientConnectionTests {
    private static let request = ClientRequest(method: "GET", scheme: "http", authority: "localhost", target: "/")

    private func withClient(
        _ handler: any RequestHandler, _ test: (HTTPClient, HTTPServer) async throws -> Void
    ) async throws {
        try await withServer(handler) { server in
            let client = HTTPClient(
                origin: server.origin, group: .singleton, configuration: .longTimeouts, logger: .silent)
            try await test(client, server)
            await client.close()
        }
    }

    private func failure(
        of client: HTTPClient, bodyBytesMax: Int = 1000, timeout: TimeAmount = .minutes(5)
    ) async -> HTTPFailure? {
        do throws(HTTPFailure) {
            _ = try await client.exchange(Self.request, bodyBytesMax: bodyBytesMax, timeout: timeout)
            return nil
        } catch {
            return error
        }
    }

    @Test("500 concurrent exchanges succeed although the server allows fewer streams")
    func many() async throws {
        try await withClient(
            ScriptedHandler { request in
                let target = String(decoding: request.target, as: UTF8.self)
                return .eventually { .text(target) }
            }
        ) { client, _ in
            await withTaskGroup(of: Bool.self) { group in
                for number in 0..<500 {
                    group.addTask {
                        let request = ClientRequest(
                            method: "GET", scheme: "http", authority: "localhost", target: "/\(number)")
                        let response = try? await client.exchange(request, bodyBytesMax: 1000, timeout: .minutes(5))
                        return response.map { String(buffer: $0.body) == "/\(number)" } ?? false
                    }
                }
                for await isCorrect in group { #expect(isCorrect) }
            }
        }
    }

    /// Bytes that arrived before the handler was in the pipeline were once lost.
    @Test("no bytes are lost on new connections to a server that sends SETTINGS first")
    func freshConnections() async throws {
        try await withServer(ScriptedHandler { _ in .now(.text("here")) }) { server in
            await withTaskGroup(of: HTTPFailure?.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        for _ in 0..<50 {
                            let client = HTTPClient(
                                origin: server.origin, group: .singleton, configuration: .longTimeouts, logger: .silent)
                            if let failure = await failure(of: client) { return failure }
                            await client.close()
                        }
                        return nil
                    }
                }
                for await failure in group { #expect(failure == nil) }
            }
        }
    }

    @Test("a response body above the limit is refused")
    func tooLarge() async throws {
        try await withClient(ScriptedHandler { _ in .now(.text(String(repeating: "a", count: 1001))) }) { client, _ in
            #expect(await failure(of: client, bodyBytesMax: 1000) == .tooLarge)
            #expect(await failure(of: client, bodyBytesMax: 1001) == nil)
        }
    }

    @Test("a request that exceeds its deadline fails and is cancelled at the server")
    func timedOut() async throws {
        let started = Event<Void>()
        let cancelled = Event<Void>()
        let first = Mutex(true)
        let waiting = ScriptedHandler.waiting(started: started, cancelled: cancelled)
        try await withClient(
            ScriptedHandler { request in
                let isFirst = first.withLock { first in
                    defer { first = false }
                    return first
                }
                return isFirst ? .now(.text("")) : waiting.reply(to: request)
            }
        ) { client, _ in
            // The deadline includes connecting, which may take all of it on a busy machine: connect first.
            #expect(await self.failure(of: client) == nil)
            async let failure = failure(of: client, timeout: .seconds(5))
            try await started.next()
            #expect(await failure == .timedOut)
            try await cancelled.next()
        }
    }

    @Test("a cancelled request is cancelled at the server")
    func cancelled() async throws {
        let started = Event<Void>()
        let cancelled = Event<Void>()
        try await withClient(
            ScriptedHandler.waiting(started: started, cancelled: cancelled)
        ) { client, _ in
            let request = Task { await failure(of: client) }
            try await started.next()
            request.cancel()
            #expect(await request.joined == .cancelled)
            try await cancelled.next()
        }
    }

    @Test("a reset stream is reported with its error code")
    func reset() async throws {
        try await withClient(ScriptedHandler { _ in .stream(HTTPResponse(status: 200)) { _ in .broken } }) {
            client, _ in
            #expect(await failure(of: client) == .resetByPeer(.internalError))
        }
    }

    @Test("a refused connection is reported as unprocessed, so the request may be retried")
    func notConnected() async throws {
        // The system never assigns port 1, while a released ephemeral port could belong to another test by now.
        let origin = Origin(scheme: .http, host: "127.0.0.1", port: 1)
        let client = HTTPClient(origin: origin, group: .singleton, configuration: .longTimeouts, logger: .silent)
        let refused = HTTPFailure.notConnected(ConnectFailure(.refused, origin: "127.0.0.1:1"))
        #expect(await failure(of: client) == refused)
        #expect(refused.isUnprocessed)
    }

    @Test("the client opens a new connection after the server drained the first")
    func reconnects() async throws {
        // A separate address, so that no other test takes the port between the two servers.
        let host = "127.0.3.1"
        let handler = ScriptedHandler { _ in .now(.text("here")) }
        func server(_ port: Int) async throws -> HTTPServer {
            try await HTTPServer(
                host: host, port: port, group: .singleton, handler: handler,
                configuration: .test(grace: .seconds(10)), logger: .silent)
        }
        let first = try await server(0)
        let port = first.port
        let client = HTTPClient(
            origin: Origin(scheme: .http, host: host, port: port), group: .singleton, configuration: .longTimeouts,
            logger: .silent)
        try await withServices([first]) { #expect(await failure(of: client) == nil) }
        // The system may release the port a moment after the server closed it.
        var second: HTTPServer?
        while second == nil {
            try Task.checkCancellation()
            second = try? await server(port)
        }
        try await withServices([try #require(second)]) {
            #expect(await failure(of: client) == nil)
            await client.close()
        }
    }
}
