import Adapters
import Domain
import DomainFakes
import Instrumentation
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization

/// A request handler made of a closure.
struct ScriptedHandler: RequestHandler {
    let script: @Sendable (HTTPRequest) -> Reply

    init(_ script: @escaping @Sendable (HTTPRequest) -> Reply) {
        self.script = script
    }

    /// Answers with the method, target, authority and body of the request, or with 400 if the body is invalid.
    static let echo = ScriptedHandler { request in
        .eventually {
            guard let body = try? await request.body.collect(bytesMax: 1_000_000) else {
                return .text("failed", status: 400)
            }
            let text =
                String(decoding: request.method, as: UTF8.self) + " "
                + String(decoding: request.target, as: UTF8.self) + " "
                + (request.fields.string(.authority) ?? "-") + " " + String(buffer: body)
            var response = HTTPResponse.text(text)
            response.fields.append(.contentLength, text.utf8.count)
            return response
        }
    }

    /// Waits until the request is cancelled. Fires an event at the start and one at the cancellation.
    static func waiting(started: Event<Void>, cancelled: Event<Void>) -> ScriptedHandler {
        ScriptedHandler { _ in
            .eventually {
                started.fire()
                await untilCancelled()
                cancelled.fire()
                return .text("too late")
            }
        }
    }

    func reply(to request: HTTPRequest) -> Reply { script(request) }

    func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        .text("\(refusal.status)", status: refusal.status)
    }
}

extension Timeouts {
    /// Timeouts that never expire in tests of other features, even on a busy machine.
    static var longTimeouts: Timeouts {
        var timeouts = Timeouts()
        timeouts.handshake = .minutes(5)
        timeouts.headers = .minutes(5)
        timeouts.request = .minutes(5)
        timeouts.bodySilence = .minutes(5)
        timeouts.bodyRateGrace = .minutes(5)
        timeouts.writeProgress = .minutes(5)
        timeouts.writeProgressBulk = .minutes(5)
        timeouts.idle = .minutes(5)
        timeouts.keepalive = .minutes(5)
        timeouts.keepaliveAnswer = .minutes(5)
        timeouts.settingsAcknowledgement = .minutes(5)
        return timeouts
    }
}

extension HTTPClient.Configuration {
    static var longTimeouts: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.useLongTimeouts()
        return configuration
    }

    /// Sets timeouts that never expire in tests of other features, even on a busy machine.
    mutating func useLongTimeouts() {
        resolve = .minutes(5)
        connect = .minutes(5)
        tlsHandshake = .minutes(5)
        firstByte = .minutes(5)
        idleProbeAfter = .minutes(5)
        idleProbeTimeout = .minutes(5)
    }
}

extension HTTPServer.Configuration {
    static func test(
        limits: Limits = Limits(), timeouts: Timeouts = .longTimeouts, grace: TimeAmount = .seconds(10),
        tls: ServerCertificate? = nil
    ) -> HTTPServer.Configuration {
        var configuration = HTTPServer.Configuration()
        configuration.limits = limits
        configuration.timeouts = timeouts
        configuration.tls = tls
        configuration.shutdownGrace = grace
        return configuration
    }
}

extension Logger {
    /// Discards all records.
    static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}

extension Logger {
    /// Discards all records, and fires `event` for each record with this message.
    static func announcing(_ message: String, _ event: Event<Void>) -> Logger {
        var logger = Logger(label: "test") { _ in AnnouncingLogHandler(message: message, event: event) }
        logger.logLevel = .trace
        return logger
    }
}

private struct AnnouncingLogHandler: LogHandler {
    let message: String
    let event: Event<Void>
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event logEvent: LogEvent) {
        if "\(logEvent.message)" == message { event.fire() }
    }
}

/// Passes each record to a closure, as its message followed by its sorted fields.
struct LineLogHandler: LogHandler {
    let line: @Sendable (String) -> Void
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    init(_ line: @escaping @Sendable (String) -> Void) {
        self.line = line
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }
        line("\(event.message)" + fields.joined())
    }
}

let testEventLoop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next()

/// Runs services while `test` runs, then shuts them down and waits for them. `ending` runs after the shutdown was
/// triggered.
func withServices(
    _ services: [any Service], _ test: () async throws -> Void, whileEnding ending: () async throws -> Void = {}
) async throws {
    let group = ServiceGroup(
        configuration: .init(
            services: services.map { .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup) },
            logger: .silent))
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await group.run() }
        let result: Result<Void, any Error>
        do {
            result = .success(try await test())
        } catch {
            result = .failure(error)
        }
        await group.triggerGracefulShutdown()
        if case .success = result { try await ending() }
        try await tasks.waitForAll()
        try result.get()
    }
}

/// Runs `test` with a server on a port that the system chooses.
func withServer(
    _ handler: any RequestHandler, limits: Limits = Limits(), timeouts: Timeouts = .longTimeouts,
    tls: ServerCertificate? = nil, proxyProtocolTrusted: String = "", defences: DefenceLog? = nil,
    _ test: (HTTPServer) async throws -> Void
) async throws {
    var configuration = HTTPServer.Configuration.test(limits: limits, timeouts: timeouts, tls: tls)
    configuration.proxyProtocolTrusted = AddressRange.list(proxyProtocolTrusted) ?? []
    let server = try await HTTPServer(
        host: "127.0.0.1", port: 0, group: .singleton, handler: handler, configuration: configuration,
        logger: .silent, defences: defences)
    try await withServices([server]) { try await test(server) }
}

extension HTTPServer {
    var port: Int { address.port ?? 0 }

    var origin: Origin { Origin(scheme: .http, host: "127.0.0.1", port: port) }
}

extension HTTPResponse {
    static func text(_ text: String, status: Int = 200, contentType: String = "text/plain") -> HTTPResponse {
        var response = HTTPResponse(status: status, body: ByteBuffer(string: text))
        response.fields.append(.contentType, contentType)
        return response
    }
}

/// An event that may fire several times. Each value goes to one waiter.
final class Event<Value: Sendable>: Sendable {
    private struct State {
        var values: [Value] = []
        var waits: [PendingWait<Value>] = []
    }

    private let state = Mutex(State())

    func fire(_ value: Value) {
        while true {
            let wait = state.withLock { state -> PendingWait<Value>? in
                guard !state.waits.isEmpty else {
                    state.values.append(value)
                    return nil
                }
                return state.waits.removeFirst()
            }
            // A cancelled waiter does not take the value: offer it to the next waiter.
            guard let wait, !wait.resume(returning: value) else { return }
        }
    }

    /// Waits for the next value that no other waiter has taken.
    func next(file: String = #fileID, line: Int = #line) async throws(CancellationError) -> Value {
        try await wait(for: "an event", file: file, line: line) { (pending: PendingWait<Value>) in
            let value = state.withLock { state -> Value? in
                guard !state.values.isEmpty else {
                    state.waits.append(pending)
                    return nil
                }
                return state.values.removeFirst()
            }
            if let value, !pending.resume(returning: value) { state.withLock { $0.values.insert(value, at: 0) } }
        }
    }
}

extension Event where Value == Void {
    func fire() { fire(()) }
}

extension ServerLoad {
    /// Waits until no request is in flight and no bytes are buffered. The server releases both a moment after the client
    /// has received the end of the response.
    ///
    /// - Throws: `CancellationError` when the time limit of the test is exceeded.
    func untilAtRest() async throws {
        while requestsInFlight > 0 || bufferedBytes > 0 {
            try Task.checkCancellation()
            await Task.yield()
        }
    }
}

/// Waits until its task is cancelled.
func untilCancelled() async {
    let (stream, continuation) = AsyncStream<Never>.makeStream()
    await withTaskCancellationHandler {
        for await _ in stream {}
    } onCancel: {
        continuation.finish()
    }
}

/// Extracts trace context from a dictionary of fields.
struct DictionaryExtractor: Extractor {
    func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
}
