package import Instrumentation
import Synchronization
package import Tracing

/// The data of a span.
package struct SpanRecord: Sendable {
    /// Its trace id and span id.
    let identity: TraceParent
    let parentSpanID: UInt64?
    let state: TraceState?
    var name: String
    let kind: SpanKind
    /// Nanoseconds since the Unix epoch.
    let start: UInt64
    var end: UInt64 = 0
    var attributes: SpanAttributes = [:]
    var status: SpanStatus?
    var events: [(name: String, at: UInt64)] = []

    /// Maximum number of events; later events are dropped.
    static let eventsMax = 32

    init(
        identity: TraceParent, parentSpanID: UInt64?, state: TraceState?, name: String, kind: SpanKind, start: UInt64
    ) {
        self.identity = identity
        self.parentSpanID = parentSpanID
        self.state = state
        self.name = name
        self.kind = kind
        self.start = start
    }
}

/// A span that has begun. If it is not recorded, it only carries its context.
package final class TracedSpan: Tracing.Span {
    package let context: InstrumentationContext
    private let record: Mutex<SpanRecord?>
    private let queue: SpanQueue?

    init(_ record: SpanRecord? = nil, context: InstrumentationContext, queue: SpanQueue? = nil) {
        self.record = Mutex(record)
        self.context = context
        self.queue = queue
    }

    /// False after `end`.
    package var isRecording: Bool { record.withLock { $0 != nil } }

    package var operationName: String {
        get { record.withLock { $0?.name ?? "" } }
        set { record.withLock { $0?.name = newValue } }
    }

    package var attributes: SpanAttributes {
        get { record.withLock { $0?.attributes ?? [:] } }
        set { record.withLock { $0?.attributes = newValue } }
    }

    package func setStatus(_ status: SpanStatus) {
        record.withLock { $0?.status = status }
    }

    package func addEvent(_ event: SpanEvent) {
        add(event.name, at: event.nanosecondsSinceEpoch)
    }

    private func add(_ name: String, at time: UInt64) {
        record.withLock { record in
            guard record.map({ $0.events.count < SpanRecord.eventsMax }) ?? false else { return }
            record?.events.append((name, time))
        }
    }

    /// Records the error's type only, since its message may contain confidential data.
    package func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        add("exception", at: instant().nanosecondsSinceEpoch)
        record.withLock { $0?.attributes["error.type"] = "\(type(of: error))" }
        setStatus(SpanStatus(code: .error))
    }

    /// Does nothing: this service makes no links.
    package func addLink(_ link: SpanLink) {}

    package func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        let ended = record.withLock { record in
            defer { record = nil }
            return record
        }
        guard var ended else { return }
        ended.end = max(ended.start, instant().nanosecondsSinceEpoch)
        queue?.put(ended)
    }
}
