import Logging
import NIOCore

/// Formats each log event as one line of text or JSON.
struct ServiceLogHandler: LogHandler {
    private let label: String
    private let output: LogOutput

    /// The level of this logger; `nil` to use that of the output.
    private var ownLevel: Logger.Level?

    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(label: String, output: LogOutput) {
        self.label = label
        self.output = output
    }

    var logLevel: Logger.Level {
        get { ownLevel ?? output.level }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = fields(of: event)
        var line = ByteBuffer()
        line.reserveCapacity(Self.usualLineBytes)
        switch output.format {
        case .text: write(event, fields, asTextTo: &line)
        case .console: ConsoleLine(hasColors: output.hasColors).write(event, fields, label, to: &line)
        case .json: write(event, fields, asJSONTo: &line)
        }
        line.writeInteger(UInt8(ascii: "\n"))
        output.write(line, event.level)
    }

    /// Longer than most lines, so that the buffer seldom grows.
    private static let usualLineBytes = 512

    /// Writes the line of an event without a dictionary.
    ///
    /// - Parameter fields: Writes the fields, in ascending order of their names.
    /// - Returns: False if nothing was written, because the logger has metadata or a value is not plain. The event must then
    ///   be logged with `log(event:)`.
    func writePlain(_ level: Logger.Level, _ message: StaticString, _ fields: (inout PlainLine) -> Void) -> Bool {
        guard metadata.isEmpty, metadataProvider == nil else { return false }
        var line = PlainLine(output.format, hasColors: output.hasColors)
        line.begin(level, label: label, message: message)
        fields(&line)
        line.end()
        guard line.isComplete else { return false }
        output.write(&line, level)
        return true
    }

    /// The fields of the event, which take precedence over those of the provider and of the logger, sorted.
    private func fields(of event: LogEvent) -> [(key: String, value: Logger.Metadata.Value)] {
        var fields = event.metadata ?? [:]
        if let provided = metadataProvider?.get() { fields.merge(provided) { own, _ in own } }
        if !metadata.isEmpty { fields.merge(metadata) { own, _ in own } }
        return fields.sorted { $0.key < $1.key }
    }

    private func write(
        _ event: LogEvent, _ fields: [(key: String, value: Logger.Metadata.Value)], asTextTo line: inout ByteBuffer
    ) {
        line.writeBytes(MillisecondTime.now.rfc3339Bytes.span.bytes)
        line.writeStaticString(" ")
        line.writeBytes(ConsoleLine.paddedNameBytes(of: event.level, output.hasColors))
        line.writeStaticString(" ")
        line.writeString(label)
        line.writeStaticString(": ")
        line.writeString(LogText.escaped(event.message.description, bytesMax: LogText.messageBytesMax))
        for (key, value) in fields {
            line.writeStaticString(" ")
            line.writeString(key)
            line.writeStaticString("=")
            line.writeString(LogText.escaped(value.description, bytesMax: LogText.fieldBytesMax))
        }
    }

    private func write(
        _ event: LogEvent, _ fields: [(key: String, value: Logger.Metadata.Value)], asJSONTo line: inout ByteBuffer
    ) {
        line.writeJSONObject { object in
            object.member("time") {
                $0.writeStaticString("\"")
                $0.writeBytes(MillisecondTime.now.rfc3339Bytes.span.bytes)
                $0.writeStaticString("\"")
            }
            object.member("level", event.level.rawValue)
            object.member("logger", label)
            object.member("message", LogText.bounded(event.message.description, bytesMax: LogText.messageBytesMax))
            for (key, value) in fields {
                object.member(named: Self.name(of: key)) { Self.write(value, to: &$0) }
            }
        }
    }

    /// Appends an underscore to the keys that have a meaning in every line.
    private static func name(of key: String) -> String {
        switch key {
        case "time", "level", "logger", "message": key + "_"
        default: key
        }
    }

    /// Writes numbers and booleans as such, everything else as a string.
    private static func write(_ value: Logger.Metadata.Value, to line: inout ByteBuffer) {
        if case .stringConvertible(let number) = value {
            switch number {
            case let number as Int:
                line.writeString("\(number)")
                return
            case let number as Double where number.isFinite:
                line.writeString("\(number)")
                return
            case let flag as Bool:
                line.writeString("\(flag)")
                return
            default: break
            }
        }
        line.writeJSONString(LogText.bounded(value.description, bytesMax: LogText.fieldBytesMax))
    }
}
