package import Domain
package import Logging
package import Metrics
package import NIOCore
package import NIOPosix
import ServiceLifecycle
import Synchronization

/// Sends spans to a collector in batches, as JSON over HTTP (OTLP 1.3, OTLP/HTTP). If the collector is slow or unreachable,
/// spans are dropped; requests are not affected.
package final class SpanExporter: Service {
    package struct Configuration: Sendable {
        /// The collector's origin and path, usually `/v1/traces`.
        package var origin: Origin
        package var path: String

        /// Time between batches.
        package var interval = Duration.seconds(5)

        /// Maximum number of spans in a batch.
        package var batchMax = 512

        /// Maximum number of attempts to send a batch; only retryable failures are retried.
        package var attemptsMax = 4

        /// Back-off before the second attempt. Doubles with each attempt; the jitter is ±50 %.
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

    /// - Parameter resource: OpenTelemetry resource attributes, which describe this service.
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

    /// Sends batches until graceful shutdown, then sends the remaining spans once.
    package func run() async throws {
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            await untilDue()
            while await sendBatch() {}
        }
        await http.close()
    }

    /// Returns when the queue is filling up, after the interval, or at graceful shutdown.
    private func untilDue() async {
        await cancelWhenGracefulShutdown { [self] in
            await withTaskGroup { group in
                group.addTask { [queue] in await queue.fillsUp() }
                group.addTask { [self] in await pause(configuration.interval) }
                await group.next()
                group.cancelAll()
            }
        }
    }

    private func pause(_ duration: Duration) async {
        try? await time.sleep(until: time.now + duration)
    }

    /// Sends one batch. Returns `false` if the queue is empty or the batch was not accepted.
    private func sendBatch() async -> Bool {
        let spans = queue.take(configuration.batchMax)
        guard !spans.isEmpty else { return false }
        let body = OTLPTraces.body(of: spans, resource: resource)
        attempts: for attempt in 1...configuration.attemptsMax {
            switch await send(body) {
            case .accepted:
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
                // Spans that end meanwhile are queued, or counted as dropped if the queue is full.
                await cancelWhenGracefulShutdown { [self] in
                    await pause(configuration.retryPause * (1 << (attempt - 1)) * Double.random(in: 0.5...1.5))
                }
            }
        }
        queue.drop(spans.count)
        return false
    }

    private enum Outcome {
        case accepted
        /// Not retryable.
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
            case 200..<300: return .accepted
            // The retryable statuses of OTLP 1.3, OTLP/HTTP Response.
            case 429, 502, 503, 504: return .failed("status \(response.status)")
            default: return .refused("status \(response.status)")
            }
        } catch {
            return .failed("\(error)")
        }
    }

    /// Logs the first failure and the recovery.
    private func note(_ failure: String?) {
        let was = isFailing.exchange(failure != nil, ordering: .relaxed)
        if let failure, !was {
            logger.warning("spans cannot be sent to the collector", metadata: ["reason": "\(failure)"])
        } else if failure == nil, was {
            logger.info("the collector accepts spans again")
        }
    }
}
