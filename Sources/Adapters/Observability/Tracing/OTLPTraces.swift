import NIOCore
import Tracing

/// Encodes spans as the JSON form of an ExportTraceServiceRequest (OTLP 1.3, JSON Protobuf Encoding).
enum OTLPTraces {
    static func body(of spans: [SpanRecord], resource: [(name: String, value: String)]) -> ByteBuffer {
        var body = ByteBuffer()
        body.writeJSONObject { request in
            request.member("resourceSpans") { buffer in
                buffer.writeJSONArray(CollectionOfOne(spans)) { buffer, spans in
                    buffer.writeJSONObject { resourceSpans in
                        resourceSpans.member("resource") { buffer in
                            buffer.writeJSONObject { object in
                                object.member("attributes") { buffer in
                                    buffer.writeJSONArray(resource) { buffer, attribute in
                                        write(attribute.name, .string(attribute.value), to: &buffer)
                                    }
                                }
                            }
                        }
                        resourceSpans.member("scopeSpans") { buffer in
                            buffer.writeJSONArray(CollectionOfOne(spans)) { buffer, spans in
                                buffer.writeJSONObject { scopeSpans in
                                    scopeSpans.member("scope") { buffer in
                                        buffer.writeJSONObject { $0.member("name", "billing-service") }
                                    }
                                    scopeSpans.member("spans") { $0.writeJSONArray(spans) { write($1, to: &$0) } }
                                }
                            }
                        }
                    }
                }
            }
        }
        return body
    }

    private static func write(_ span: SpanRecord, to buffer: inout ByteBuffer) {
        buffer.writeJSONObject { object in
            object.member("traceId", span.identity.traceID.text)
            object.member("spanId", span.identity.spanIDText)
            if let parent = span.parentSpanID { object.member("parentSpanId", TraceParent.hexadecimal(parent)) }
            if let state = span.state { object.member("traceState", state.text) }
            object.member("name", span.name)
            object.member("kind", number(of: span.kind))
            // 64-bit integers are strings (proto3, JSON Mapping).
            object.member("startTimeUnixNano", String(span.start))
            object.member("endTimeUnixNano", String(span.end))
            object.member("attributes") { write(span.attributes, to: &$0) }
            if !span.events.isEmpty {
                object.member("events") { buffer in
                    buffer.writeJSONArray(span.events) { buffer, event in
                        buffer.writeJSONObject { object in
                            object.member("timeUnixNano", String(event.at))
                            object.member("name", event.name)
                        }
                    }
                }
            }
            if let status = span.status {
                object.member("status") { buffer in
                    buffer.writeJSONObject { object in
                        object.member("code", status.code == .ok ? 1 : 2)
                        if let message = status.message { object.member("message", message) }
                    }
                }
            }
        }
    }

    private static func number(of kind: SpanKind) -> Int {
        switch kind {
        case .internal: 1
        case .server: 2
        case .client: 3
        case .producer: 4
        case .consumer: 5
        }
    }

    private static func write(_ attributes: SpanAttributes, to buffer: inout ByteBuffer) {
        var all: [(String, SpanAttribute)] = []
        attributes.forEach { all.append(($0, $1)) }
        buffer.writeJSONArray(all.sorted { $0.0 < $1.0 }) { buffer, attribute in
            write(attribute.0, attribute.1, to: &buffer)
        }
    }

    private static func write(_ name: String, _ value: SpanAttribute, to buffer: inout ByteBuffer) {
        buffer.writeJSONObject { object in
            object.member("key", name)
            object.member("value") { buffer in
                buffer.writeJSONObject { object in
                    switch value {
                    case .int32(let number): object.member("intValue", String(number))
                    case .int64(let number): object.member("intValue", String(number))
                    case .bool(let flag): object.member("boolValue", flag)
                    case .double(let number) where number.isFinite:
                        object.member("doubleValue") { $0.writeString("\(number)") }
                    case .string(let text): object.member("stringValue", text)
                    default: object.member("stringValue", "\(value.anyText)")
                    }
                }
            }
        }
    }
}

extension SpanAttribute {
    /// The text of attribute types that this service does not use.
    fileprivate var anyText: String {
        switch self {
        case .stringConvertible(let value): "\(value)"
        default: "unsupported"
        }
    }
}
