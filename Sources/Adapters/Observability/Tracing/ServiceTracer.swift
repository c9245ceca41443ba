package import Instrumentation
package import Tracing

/// The service's tracer. Without a queue it makes no spans and only propagates the trace context.
package final class ServiceTracer: Tracer {
    private let queue: SpanQueue?

    /// The sampling threshold for root spans: the sample rate times 65,536.
    private let sampleThreshold: Int

    /// - Parameters:
    ///   - queue: Receives ended spans; `nil` to record none.
    ///   - sampleRate: Fraction of the traces without a remote parent that are recorded, 0 to 1. With a remote parent, its
    ///     sampled flag decides.
    package init(queue: SpanQueue? = nil, sampleRate: Double = 1) {
        self.queue = queue
        sampleThreshold = Int(sampleRate * 65_536)
    }

    /// Whether spans are recorded at all. If not, callers need not create any.
    var isRecording: Bool { queue != nil }

    package func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> InstrumentationContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> TracedSpan {
        var context = context()
        guard let queue else { return TracedSpan(context: context) }
        let inherited = context.trace
        let parent = inherited?.parent
        // The root span's decision holds for the whole trace, also in other services.
        let isSampled = parent?.isSampled ?? (Int.random(in: 0..<65_536) < sampleThreshold)
        guard isSampled else {
            if parent == nil { context.trace = TraceContext(parent: .root(isSampled: false), state: nil) }
            return TracedSpan(context: context)
        }
        let own = parent?.child ?? .root(isSampled: true)
        context.trace = TraceContext(parent: own, state: inherited?.state)
        let span = SpanRecord(
            identity: own, parentSpanID: parent?.spanID, state: inherited?.state, name: operationName, kind: kind,
            start: instant().nanosecondsSinceEpoch)
        return TracedSpan(span, context: context, queue: queue)
    }

    /// Performs an operation in a span, if spans are recorded.
    func withSpanIfRecording<Answer: Sendable>(_ name: String, _ operation: () async -> Answer) async -> Answer {
        guard isRecording else { return await operation() }
        return await withSpan(name) { _ in await operation() }
    }

    package func activeSpan(identifiedBy context: InstrumentationContext) -> TracedSpan? { nil }

    package func startAnySpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> InstrumentationContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> any Tracing.Span {
        startSpan(
            operationName, context: context(), ofKind: kind, at: instant(), function: function, file: fileID, line: line
        )
    }

    /// Does nothing: the exporter sends spans as they arrive in the queue.
    package func forceFlush() {}

    // MARK: Propagation

    package func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout InstrumentationContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        let trace = TraceContext(
            traceparent: extractor.extract(key: "traceparent", from: carrier)?.utf8,
            tracestate: extractor.extract(key: "tracestate", from: carrier))
        if let trace { context.trace = trace }
    }

    package func inject<Carrier, Inject: Injector>(
        _ context: InstrumentationContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let trace = context.trace else { return }
        injector.inject(trace.parent.text, forKey: "traceparent", into: &carrier)
        if let state = trace.state { injector.inject(state.text, forKey: "tracestate", into: &carrier) }
    }
}
