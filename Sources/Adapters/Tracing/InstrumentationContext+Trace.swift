package import Instrumentation

/// Where work stands in its trace, as it goes from task to task.
package struct TracePlace: Sendable {
    package let parent: TraceParent
    package let state: TraceState?

    init(parent: TraceParent, state: TraceState?) {
        self.parent = parent
        self.state = state
    }

    /// What two fields say that came in; `nil` if the first says nothing.
    init?(traceparent: (some Collection<UInt8>)?, tracestate: @autoclosure () -> String?) {
        guard let traceparent, let parent = TraceParent(traceparent) else { return nil }
        self.init(parent: parent, state: tracestate().flatMap(TraceState.init))
    }
}

extension InstrumentationContext {
    private enum TracePlaceKey: InstrumentationContextKey {
        typealias Value = TracePlace
        static var nameOverride: String? { "trace" }
    }

    package var trace: TracePlace? {
        get { self[TracePlaceKey.self] }
        set { self[TracePlaceKey.self] = newValue }
    }
}

extension HTTPRequest {
    /// The trace that the request is part of.
    var trace: TracePlace? { TracePlace(traceparent: fields[.traceparent], tracestate: fields.list(.tracestate)) }
}

extension ClientRequest {
    /// Says which trace the request is part of.
    mutating func append(_ trace: TracePlace) {
        fields.append(.traceparent, trace.parent.text)
        if let state = trace.state { fields.append(.tracestate, state.text) }
    }
}
