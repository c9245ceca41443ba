import Adapters
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("Stream scheduler", .timeLimit(.minutes(10)))
struct StreamSchedulerTests {
    /// Counts the polls of an event loop.
    private final class PollCounter: NIOEventLoopMetricsDelegate {
        private let polls = Atomic(0)

        var count: Int { polls.load(ordering: .relaxed) }

        func processedTick(info: NIOEventLoopTickInfo) { polls.add(1, ordering: .relaxed) }
    }

    /// Runs tasks that are longer than a slice among all other tasks of an event loop.
    private final class LongTasks: NIOEventLoopMetricsDelegate {
        private static let countPerPoll = 5

        private let eventLoop = Mutex<(any EventLoop)?>(nil)

        func begin(on eventLoop: any EventLoop) { self.eventLoop.withLock { $0 = eventLoop } }

        func end() { eventLoop.withLock { $0 = nil } }

        func processedTick(info: NIOEventLoopTickInfo) { execute(count: Self.countPerPoll) }

        /// Each task adds the next, so tasks that other code adds meanwhile have a long one between them.
        private func execute(count: Int) {
            guard count > 0, let eventLoop = eventLoop.withLock({ $0 }) else { return }
            eventLoop.execute {
                let end = NIODeadline.now() + StreamScheduler.sliceTimeMax + .microseconds(50)
                while .now() < end {}
                self.execute(count: count - 1)
            }
        }
    }

    private static let pieceBytes = 16_384

    /// A handler that streams `pieces` pieces of `pieceBytes`.
    private static func handler(pieces: Int) -> ScriptedHandler {
        let piece = ByteBuffer(repeating: UInt8(ascii: "x"), count: pieceBytes)
        return ScriptedHandler { _ in
            .stream(HTTPResponse(status: 200)) { writer in
                do throws(BodyWriter.Closed) {
                    for _ in 0..<pieces { try await writer.write(piece) }
                    return .complete
                } catch {
                    return .broken
                }
            }
        }
    }

    enum Kind: String, CaseIterable, CustomTestStringConvertible {
        case h2c, h2, http1, https1

        var testDescription: String { rawValue }

        var isEncrypted: Bool {
            switch self {
            case .h2c, .http1: false
            case .h2, .https1: true
            }
        }

        /// A client with flow-control windows of megabytes by default.
        func client(of server: HTTPServer, windowBytes: Int32 = 16 << 20) async throws -> HTTPClient {
            var configuration = HTTPClient.Configuration.longTimeouts
            configuration.limits.streamWindowBytes = windowBytes
            configuration.limits.connectionWindowBytes = 64 << 20
            switch self {
            case .h2c: break
            case .h2: configuration.tls = try await Transport.h2.trust()
            case .http1: configuration.clearProtocol = .http1
            case .https1: configuration.tls = try await Transport.http1.trust()
            }
            return HTTPClient(
                origin: Origin(scheme: isEncrypted ? .https : .http, host: "127.0.0.1", port: server.port),
                group: .singleton, configuration: configuration, logger: .silent)
        }
    }

    /// Runs `test` with a server that has its own event loop.
    private static func with(
        _ handler: ScriptedHandler, over transport: Kind, observedBy observer: any NIOEventLoopMetricsDelegate,
        _ test: (HTTPClient, any EventLoop) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1, metricsDelegate: observer)
        let server = try await HTTPServer(
            host: "127.0.0.1", port: 0, group: group, handler: handler,
            configuration: .test(tls: transport.isEncrypted ? try await Transport.h2.certificate() : nil),
            logger: .silent)
        let client = try await transport.client(of: server)
        try await withServices([server]) {
            try await test(client, group.any())
            await client.close()
        }
        try await group.shutdownGracefully()
    }

    private static func get(_ client: HTTPClient, bytesMax: Int) async throws -> Int {
        let request = ClientRequest(
            method: "GET", scheme: client.origin.scheme.rawValue, authority: client.origin.authority, target: "/")
        return try await client.exchange(request, bodyBytesMax: bytesMax, timeout: .minutes(5)).body.readableBytes
    }

    /// The sizes of the bodies of `streams` streams at once.
    private static func get(_ client: HTTPClient, streams: Int, bytesMax: Int) async throws -> [Int] {
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<streams { group.addTask { try await get(client, bytesMax: bytesMax) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    @Test(
        "the event loop polls its sockets at least once per time slice of stream output",
        arguments: Kind.allCases, [1, 4])
    func slices(transport: Kind, streams: Int) async throws {
        let pieces = 512 / streams
        let bytes = streams * pieces * Self.pieceBytes
        let polls = PollCounter()
        try await Self.with(Self.handler(pieces: pieces), over: transport, observedBy: polls) { client, _ in
            let before = polls.count
            let received = try await Self.get(client, streams: streams, bytesMax: bytes / streams)
            #expect(received.reduce(0, +) == bytes)
            // The last piece of a slice may begin within the limit and end beyond it.
            let sliceBytesMax = StreamScheduler.sliceBytesMax + Self.pieceBytes
            #expect(polls.count - before >= bytes / sliceBytesMax)
        }
    }

    @Test(
        "streams continue even if each slice is over before its work begins, as on a very slow machine",
        arguments: Kind.allCases)
    func lateTurns(transport: Kind) async throws {
        let (streams, pieces) = (2, 20)
        let tasks = LongTasks()
        try await Self.with(Self.handler(pieces: pieces), over: transport, observedBy: tasks) { client, eventLoop in
            tasks.begin(on: eventLoop)
            defer { tasks.end() }
            let bytes = pieces * Self.pieceBytes
            let received = try await Self.get(client, streams: streams, bytesMax: bytes)
            #expect(received == Array(repeating: bytes, count: streams))
        }
    }
}
