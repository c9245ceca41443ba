package import Domain
package import Logging
package import Metrics
package import NIOCore
package import NIOPosix
import ServiceLifecycle
import Synchronization

/// Sends spans to a collector, as JSON over HTTP (OTLP 1.3, OTLP/HTTP): a few seconds' worth at a time. A collector that is
/// slow or gone costs spans and nothing else.
package final class SpanExporter: Service {
    package struct Configuration: Sendable {
        /// Where spans are posted to, as `/v1/traces` of a collector.
        package var origin: Origin
        package var path: String

        /// How long spans wait for company.
        package var interval = Duration.seconds(5)

        /// Spans in one request.
        package var batchMax = 512

        /// How often a batch is sent that the collector could not take for a passing reason.
        package var attemptsMax = 4

        /// How long it waits before the second time; twice as long before each that follows, give or take a half.
        package var retryPause = Duration.seconds(1)
        package var timeout = TimeAmount.seconds(5)
        package var http: HTTPClient.Configuration

        package init(origin: Origin, path: String, http: HTTPClient.Configuration) {
            self.origin = origin
            self.path = path
            self.http = http
        }
    }

    private let queue: SpanQueue
    private let configuration: Configuration
    private let resource: [(name: String, value: String)]
    private let http: HTTPClient
    private let time: any TimeSource
    private let exported: Counter
    private let logger: Logger
    private let isFailing = Atomic(false)

    /// - Parameter resource: Who sends them, in OpenTelemetry's names.
    package init(
        _ queue: SpanQueue, _ configuration: Configuration, resource: [(name: String, value: String)],
        group: MultiThreadedEventLoopGroup, time: any TimeSource, metrics: any MetricsFactory, logger: Logger
    ) {
        self.queue = queue
        self.configuration = configuration
        self.resource = resource
        http = HTTPClient(
            origin: configuration.origin, group: group, configuration: configuration.http, logger: logger)
        self.time = time
        exported = Counter(.spansExported, in: metrics)
        self.logger = logger
    }

    /// Until the service shuts down; what waits then is sent once.
    package func run() async throws {
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            await untilDue()
            while await sendBatch() {}
        }
        await http.close()
    }

    /// Returns when there are many, when they have waited long enough, or when the service shuts down.
    private func untilDue() async {
        await cancelWhenGracefulShutdown { [self] in
            await withTaskGroup { group in
                group.addTask { [queue] in await queue.many() }
                group.addTask { [self] in await pause(configuration.interval) }
                await group.next()
                group.cancelAll()
            }
        }
    }

    private func pause(_ duration: Duration) async {
        try? await time.sleep(until: time.now + duration)
    }

    /// Sends some; `false` when there are no more, or the collector takes none.
    private func sendBatch() async -> Bool {
        let spans = queue.take(configuration.batchMax)
        guard !spans.isEmpty else { return false }
        let body = OTLPTraces.body(of: spans, resource: resource)
        attempts: for attempt in 1...configuration.attemptsMax {
            switch await send(body) {
            case .taken:
                exported.increment(by: spans.count)
                note(nil)
                return true
            case .refused(let reason):
                queue.drop(spans.count)
                note(reason)
                return false
            case .failed(let reason):
                note(reason)
                guard attempt < configuration.attemptsMax, !Task.isShuttingDownGracefully else { break attempts }
                // Spans that end meanwhile wait in the queue, or are counted as dropped.
                await cancelWhenGracefulShutdown { [self] in
                    await pause(configuration.retryPause * (1 << (attempt - 1)) * Double.random(in: 0.5...1.5))
                }
            }
        }
        queue.drop(spans.count)
        return false
    }

    private enum Outcome {
        case taken
        /// Another time would be no better.
        case refused(String)
        case failed(String)
    }

    private func send(_ body: ByteBuffer) async -> Outcome {
        var request = ClientRequest(
            method: "POST", scheme: http.origin.scheme.rawValue, authority: http.origin.authority,
            target: configuration.path, body: body)
        request.fields.append(.contentType, "application/json")
        request.fields.append(.contentLength, body.readableBytes)
        request.fields.append(.userAgent, "billing-service")
        do throws(HTTPFailure) {
            let response = try await http.exchange(
                request, bodyBytesMax: 64 * 1024, timeout: configuration.timeout)
            switch response.status {
            case 200..<300: return .taken
            // OTLP 1.3, OTLP/HTTP Response: those that may be tried again.
            case 429, 502, 503, 504: return .failed("status \(response.status)")
            default: return .refused("status \(response.status)")
            }
        } catch {
            return .failed("\(error)")
        }
    }

    /// Says when it begins to fail, and when it has come to its end.
    private func note(_ failure: String?) {
        let was = isFailing.exchange(failure != nil, ordering: .relaxed)
        if let failure, !was {
            logger.warning("spans cannot be sent to the collector", metadata: ["reason": "\(failure)"])
        } else if failure == nil, was {
            logger.info("the collector takes spans again")
        }
    }
}
