package import Logging

/// Keeps a record on one line, whatever somebody else's bytes are in it, and no longer than anybody reads; another handler
/// writes it.
package struct OneLineLogHandler<Inner: LogHandler>: LogHandler {
    private var inner: Inner

    /// UTF-8 bytes of the message, and of each field beside it.
    private static var messageBytesMax: Int { 1024 }
    private static var fieldBytesMax: Int { 256 }

    package init(_ inner: Inner) {
        self.inner = inner
    }

    package func log(event: LogEvent) {
        var event = event
        event.message = "\(Self.shown("\(event.message)", bytesMax: Self.messageBytesMax))"
        event.metadata = event.metadata?.mapValues(Self.shown)
        inner.log(event: event)
    }

    package var logLevel: Logger.Level {
        get { inner.logLevel }
        set { inner.logLevel = newValue }
    }

    package var metadata: Logger.Metadata {
        get { inner.metadata }
        set { inner.metadata = newValue.mapValues(Self.shown) }
    }

    package var metadataProvider: Logger.MetadataProvider? {
        get { inner.metadataProvider }
        set { inner.metadataProvider = newValue }
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { inner[metadataKey: key] }
        set { inner[metadataKey: key] = newValue.map(Self.shown) }
    }

    private static func shown(_ value: Logger.Metadata.Value) -> Logger.Metadata.Value {
        .string(shown("\(value)", bytesMax: fieldBytesMax))
    }

    private static func shown(_ text: String, bytesMax: Int) -> String {
        guard text.utf8.count > bytesMax || text.unicodeScalars.contains(where: isHidden) else { return text }
        var shown = ""
        for scalar in text.unicodeScalars {
            let next = isHidden(scalar) ? "\\u{" + String(scalar.value, radix: 16) + "}" : String(scalar)
            guard shown.utf8.count + next.utf8.count <= bytesMax else { return shown + "…" }
            shown += next
        }
        return shown
    }

    /// Control characters, and what ends a line or turns its direction (Unicode, UAX #9 and UAX #14).
    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case ..<0x20, 0x7F..<0xA0, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
