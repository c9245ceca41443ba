package import Instrumentation

/// The trace context of a task (W3C Trace Context): the parent span and the state of other tracing systems.
package struct TraceContext: Sendable {
    package let parent: TraceParent
    package let state: TraceState?

    init(parent: TraceParent, state: TraceState?) {
        self.parent = parent
        self.state = state
    }

    /// Parses the two fields of a request; `nil` without a valid `traceparent`.
    init?(traceparent: (some Collection<UInt8>)?, tracestate: @autoclosure () -> String?) {
        guard let traceparent, let parent = TraceParent(traceparent) else { return nil }
        self.init(parent: parent, state: tracestate().flatMap(TraceState.init))
    }
}

extension InstrumentationContext {
    private enum TraceContextKey: InstrumentationContextKey {
        typealias Value = TraceContext
        static var nameOverride: String? { "trace" }
    }

    package var trace: TraceContext? {
        get { self[TraceContextKey.self] }
        set { self[TraceContextKey.self] = newValue }
    }
}

extension HTTPRequest {
    /// The trace context that the request carries.
    var trace: TraceContext? { TraceContext(traceparent: fields[.traceparent], tracestate: fields.list(.tracestate)) }
}

extension ClientRequest {
    /// Adds the fields `traceparent` and `tracestate`.
    mutating func append(_ trace: TraceContext) {
        fields.append(.traceparent, trace.parent.text)
        if let state = trace.state { fields.append(.tracestate, state.text) }
    }
}
