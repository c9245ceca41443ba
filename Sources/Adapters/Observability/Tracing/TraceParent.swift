/// The `traceparent` field, which identifies a span in a distributed trace (W3C Trace Context, 3.2).
package struct TraceParent: Sendable, Hashable {
    /// 16 bytes, not all zero.
    package let traceID: TraceID
    /// 8 bytes, not all zero.
    package let spanID: UInt64
    /// The sampled flag: whether the sender records the trace.
    package let isSampled: Bool

    package struct TraceID: Sendable, Hashable {
        let high: UInt64
        let low: UInt64

        package var text: String { TraceParent.hexadecimal(high) + TraceParent.hexadecimal(low) }
    }

    init(traceID: TraceID, spanID: UInt64, isSampled: Bool) {
        self.traceID = traceID
        self.spanID = spanID
        self.isSampled = isSampled
    }

    private static let length = 55
    private static let dash = UInt8(ascii: "-")

    /// Parses the field; `nil` if it is invalid, which starts a new trace (W3C Trace Context, 3.2.2.3 and 4.2).
    package init?(_ field: some Collection<UInt8>) {
        let bytes = Array(field.prefix(Self.length + 1))
        guard bytes.count >= Self.length, bytes[2] == Self.dash, bytes[35] == Self.dash, bytes[52] == Self.dash,
            let version = Self.number(bytes[0..<2]), let high = Self.number(bytes[3..<19]),
            let low = Self.number(bytes[19..<35]), let spanID = Self.number(bytes[36..<52]),
            let flags = Self.number(bytes[53..<55])
        else { return nil }
        // Later versions may append more after a dash, version 0 may not.
        guard version != 0xFF, bytes.count == Self.length || (version > 0 && bytes[Self.length] == Self.dash),
            high | low != 0, spanID != 0
        else { return nil }
        self.init(traceID: TraceID(high: high, low: low), spanID: spanID, isSampled: flags & 1 != 0)
    }

    /// The field to send, in version 0.
    package var text: String { "00-\(traceID.text)-\(spanIDText)-\(isSampled ? "01" : "00")" }

    package var spanIDText: String { Self.hexadecimal(spanID) }

    /// A new trace with its root span.
    static func root(isSampled: Bool) -> TraceParent {
        TraceParent(
            traceID: TraceID(high: .random(in: .min ... .max), low: .random(in: 1 ... .max)),
            spanID: .random(in: 1 ... .max), isSampled: isSampled)
    }

    /// A new span of the same trace.
    var child: TraceParent {
        TraceParent(traceID: traceID, spanID: .random(in: 1 ... .max), isSampled: isSampled)
    }

    /// Hexadecimal digits in lower case; `nil` for other characters, also for upper case.
    private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        digits.reduce(UInt64?.some(0)) { number, digit in
            guard let number, !digit.isASCIIUppercase, let value = Hexadecimal.value(of: digit) else { return nil }
            return number << 4 | UInt64(value)
        }
    }

    static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
