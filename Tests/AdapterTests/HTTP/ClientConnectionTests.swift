import Adapters
import DomainFakes
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("A client's connection", .timeLimit(.minutes(1)))
struct ClientConnectionTests {
    private static let request = ClientRequest(method: "GET", scheme: "http", authority: "localhost", target: "/")

    private func withClient(
        _ handler: any RequestHandler, _ test: (HTTPClient, HTTPServer) async throws -> Void
    ) async throws {
        try await withServer(handler) { server in
            let client = HTTPClient(
                origin: server.origin, group: .singleton, configuration: .patient, logger: .silent)
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

    @Test("carries many exchanges at a time, more than the server takes at once")
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
                for await isRight in group { #expect(isRight) }
            }
        }
    }

    /// What a server sent before the handler was in the channel was lost once.
    @Test("hears a server that speaks first, on every new connection")
    func freshConnections() async throws {
        try await withServer(ScriptedHandler { _ in .now(.text("here")) }) { server in
            await withTaskGroup(of: HTTPFailure?.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        for _ in 0..<50 {
                            let client = HTTPClient(
                                origin: server.origin, group: .singleton, configuration: .patient, logger: .silent)
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

    @Test("refuses a body that is larger than was allowed")
    func tooLarge() async throws {
        try await withClient(ScriptedHandler { _ in .now(.text(String(repeating: "a", count: 1001))) }) { client, _ in
            #expect(await failure(of: client, bodyBytesMax: 1000) == .tooLarge)
            #expect(await failure(of: client, bodyBytesMax: 1001) == nil)
        }
    }

    @Test("gives up at the deadline, and tells the server")
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
            // The deadline holds for the connection too, which on a busy machine may take all of it.
            #expect(await self.failure(of: client) == nil)
            async let failure = failure(of: client, timeout: .seconds(5))
            try await started.next()
            #expect(await failure == .timedOut)
            try await cancelled.next()
        }
    }

    @Test("gives up when its task is cancelled, and tells the server")
    func cancelled() async throws {
        let started = Event<Void>()
        let cancelled = Event<Void>()
        try await withClient(
            ScriptedHandler.waiting(started: started, cancelled: cancelled)
        ) { client, _ in
            let asking = Task { await failure(of: client) }
            try await started.next()
            asking.cancel()
            #expect(await asking.joined == .cancelled)
            try await cancelled.next()
        }
    }

    @Test("says that the server reset the stream, and why")
    func reset() async throws {
        try await withClient(ScriptedHandler { _ in .stream(HTTPResponse(status: 200)) { _ in .broken } }) {
            client, _ in
            #expect(await failure(of: client) == .resetByPeer(.internalError))
        }
    }

    @Test("says that nobody listens, which leaves the request safe to repeat")
    func notConnected() async throws {
        // A port that the system chose and that is free again may be another test's by now; it never chooses this one.
        let origin = Origin(scheme: .http, host: "127.0.0.1", port: 1)
        let client = HTTPClient(origin: origin, group: .singleton, configuration: .patient, logger: .silent)
        let refused = HTTPFailure.notConnected(ConnectFailure(.refused, origin: "127.0.0.1:1"))
        #expect(await failure(of: client) == refused)
        #expect(refused.isUnprocessed)
    }

    @Test("makes another connection when the server has drained the one it had")
    func reconnects() async throws {
        // An address of its own, on which no other test takes the port between the two.
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
            origin: Origin(scheme: .http, host: host, port: port), group: .singleton, configuration: .patient,
            logger: .silent)
        try await withServices([first]) { #expect(await failure(of: client) == nil) }
        // The system may let go of the port a moment after the server did.
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
