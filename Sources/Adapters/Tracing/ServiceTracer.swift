package import Instrumentation
package import Tracing

/// Makes spans where somebody collects them, and otherwise only carries on the traces that requests are part of.
package final class ServiceTracer: Tracer {
    private let queue: SpanQueue?

    /// Of 65,536 traces that begin here so many are recorded.
    private let share: Int

    /// - Parameters:
    ///   - queue: Where ended spans go; `nil` if nobody wants them.
    ///   - share: How many of the traces that begin here are recorded, 0 to 1. Of others, whoever began them decides.
    package init(queue: SpanQueue? = nil, share: Double = 1) {
        self.queue = queue
        self.share = Int(share * 65_536)
    }

    /// Whether spans are wanted at all: where they are not, nothing need be done for them.
    var isRecording: Bool { queue != nil }

    package func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> InstrumentationContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> TracedSpan {
        var context = context()
        guard let queue else { return TracedSpan(context: context) }
        let place = context.trace
        let parent = place?.parent
        // Decided once for all that follows from it, here and elsewhere.
        let isSampled = parent?.isSampled ?? (Int.random(in: 0..<65_536) < share)
        guard isSampled else {
            if parent == nil { context.trace = TracePlace(parent: .root(isSampled: false), state: nil) }
            return TracedSpan(context: context)
        }
        let own = parent?.child ?? .root(isSampled: true)
        context.trace = TracePlace(parent: own, state: place?.state)
        let span = SpanRecord(
            place: own, parentSpanID: parent?.spanID, state: place?.state, name: operationName, kind: kind,
            start: instant().nanosecondsSinceEpoch)
        return TracedSpan(span, context: context, queue: queue)
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

    /// There is nothing to hurry: whoever sends spans is told of each.
    package func forceFlush() {}

    // MARK: From and to other services

    package func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout InstrumentationContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        let place = TracePlace(
            traceparent: extractor.extract(key: "traceparent", from: carrier)?.utf8,
            tracestate: extractor.extract(key: "tracestate", from: carrier))
        if let place { context.trace = place }
    }

    package func inject<Carrier, Inject: Injector>(
        _ context: InstrumentationContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let trace = context.trace else { return }
        injector.inject(trace.parent.text, forKey: "traceparent", into: &carrier)
        if let state = trace.state { injector.inject(state.text, forKey: "tracestate", into: &carrier) }
    }
}
