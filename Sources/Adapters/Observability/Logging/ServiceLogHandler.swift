import FoundationEssentials
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
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { $1 } }
        if let own = event.metadata { fields.merge(own) { $1 } }
        let sorted = fields.sorted { $0.key < $1.key }
        var line = ByteBuffer()
        switch output.format {
        case .text: write(event, sorted, Self.currentTime, asTextTo: &line)
        case .console: ConsoleLine(hasColors: output.hasColors).write(event, sorted, label, to: &line)
        case .json: write(event, sorted, Self.currentTime, asJSONTo: &line)
        }
        line.writeInteger(UInt8(ascii: "\n"))
        output.write(line, event.level)
    }

    /// RFC 3339, in UTC and to the millisecond.
    private static var currentTime: String { Date.now.formatted(time) }

    private static let time = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

    private func write(
        _ event: LogEvent, _ fields: [(key: String, value: Logger.Metadata.Value)], _ time: String,
        asTextTo line: inout ByteBuffer
    ) {
        let level = ConsoleLine.paddedName(of: event.level, output.hasColors)
        line.writeString("\(time) \(level) \(label): ")
        line.writeString(LogText.escaped("\(event.message)", bytesMax: LogText.messageBytesMax))
        for (key, value) in fields {
            line.writeString(" \(key)=\(LogText.escaped("\(value)", bytesMax: LogText.fieldBytesMax))")
        }
    }

    private func write(
        _ event: LogEvent, _ fields: [(key: String, value: Logger.Metadata.Value)], _ time: String,
        asJSONTo line: inout ByteBuffer
    ) {
        line.writeJSONObject { object in
            object.member("time", time)
            object.member("level", event.level.rawValue)
            object.member("logger", label)
            object.member("message", LogText.bounded("\(event.message)", bytesMax: LogText.messageBytesMax))
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
        line.writeJSONString(LogText.bounded("\(value)", bytesMax: LogText.fieldBytesMax))
    }
}
