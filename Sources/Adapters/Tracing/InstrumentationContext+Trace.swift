package import Instrumentation

/// Where work stands in its trace, as it goes from task to task.
package struct TracePlace: Sendable {
    package let parent: TraceParent
    package let state: TraceState?
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
    var trace: TracePlace? {
        guard let field = fields[.traceparent], let parent = TraceParent(field) else { return nil }
        return TracePlace(parent: parent, state: fields.list(.tracestate).flatMap(TraceState.init))
    }
}

extension ClientRequest {
    /// Says which trace the request is part of.
    mutating func append(_ trace: TracePlace) {
        fields.append(.traceparent, trace.parent.text)
        if let state = trace.state { fields.append(.tracestate, state.text) }
    }
}
