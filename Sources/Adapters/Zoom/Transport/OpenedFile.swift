import Domain
import NIOCore
import Synchronization
import Tracing

/// The span of a request for a file, and its place in the metrics, until the end of the file.
final class FileObservation: Sendable {
    let span: TracedSpan?
    private let operation: Domain.Operation
    private let metrics: ZoomMetrics
    private let isEnded = Atomic(false)

    init(_ operation: Domain.Operation, _ span: TracedSpan?, _ metrics: ZoomMetrics) {
        self.operation = operation
        self.span = span
        self.metrics = metrics
    }

    deinit {
        ended(.cancelled)
    }

    /// Records how the call ended. Only the first end counts.
    func ended(_ outcome: ZoomMetrics.Outcome) {
        guard !isEnded.exchange(true, ordering: .relaxed) else { return }
        if outcome == .failed { span?.setStatus(SpanStatus(code: .error)) }
        metrics.countCall(.operation(operation), outcome)
        span?.end()
    }
}

/// A file whose first bytes were received.
final class OpenedFile: Sendable {
    private let body: ResponseBody
    private let observation: FileObservation

    /// `nil` once they were read.
    private let beginning: Mutex<ByteBuffer?>

    init(_ body: ResponseBody, beginning: ByteBuffer, _ observation: FileObservation) {
        self.body = body
        self.observation = observation
        self.beginning = Mutex(beginning)
    }

    /// As `ResponseBody.next()`.
    func next() async throws(HTTPFailure) -> ByteBuffer? {
        if let first = beginning.withLock({ $0.take() }) { return first }
        do throws(HTTPFailure) {
            let bytes = try await body.next()
            if bytes == nil { observation.ended(.ok) }
            return bytes
        } catch {
            observation.ended(ZoomFailure.transport(error).metricsOutcome)
            throw error
        }
    }
}
