import Dispatch
package import Logging
package import NIOCore
import Synchronization

/// Writes the lines of all loggers, and holds their common level and format.
///
/// Logging never blocks: lines are buffered in memory up to a limit, and a separate thread writes them.
package final class LogOutput: Sendable {
    package enum Format: String, Sendable, CaseIterable {
        /// Text for files that people read: the time in UTC, and the name of the logger.
        case text
        /// Text for terminals: the local time, and aligned messages.
        case console
        /// JSON lines.
        case json
    }

    private let levels = Atomic<Int>(LogOutput.rank(of: .info))
    private let formats = Atomic<Int>(0)
    private let usesColors = Atomic(false)
    private let counts = Logger.Level.allCases.map { _ in ShardedCount() }
    private let waitingBytes = Atomic<Int>(0)
    private let dropped = Atomic<Int>(0)
    private let queue = DispatchQueue(label: "log")
    private let sink: @Sendable (ByteBuffer) -> Void

    /// Size of the buffer. While it is full, lines are dropped and counted.
    private let waitingBytesMax: Int

    /// - Parameter sink: Writes lines; called by one thread at a time.
    package init(waitingBytesMax: Int = 4 << 20, sink: @escaping @Sendable (ByteBuffer) -> Void) {
        self.waitingBytesMax = waitingBytesMax
        self.sink = sink
    }

    /// The minimum level that is written. May be changed at any time.
    package var level: Logger.Level {
        get { Logger.Level.allCases[levels.load(ordering: .relaxed)] }
        set { levels.store(Self.rank(of: newValue), ordering: .relaxed) }
    }

    package var format: Format {
        get { Format.allCases[formats.load(ordering: .relaxed)] }
        set { formats.store(Format.allCases.firstIndex(of: newValue) ?? 0, ordering: .relaxed) }
    }

    /// Whether the level has a colour, unless the format is JSON.
    package var hasColors: Bool {
        get { usesColors.load(ordering: .relaxed) }
        set { usesColors.store(newValue, ordering: .relaxed) }
    }

    private static func rank(of level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level) ?? 0 }

    /// A logger that writes here.
    package func logger(label: String) -> Logger {
        Logger(label: label) { ServiceLogHandler(label: $0, output: self) }
    }

    func write(_ line: ByteBuffer, _ level: Logger.Level) {
        let bytes = line.readableBytes
        guard waitingBytes.add(bytes, ordering: .relaxed).newValue <= waitingBytesMax else {
            waitingBytes.subtract(bytes, ordering: .relaxed)
            dropped.add(1, ordering: .relaxed)
            return
        }
        counts[Self.rank(of: level)].add(1)
        queue.async { [self] in
            sink(line)
            waitingBytes.subtract(bytes, ordering: .relaxed)
        }
    }

    /// Returns when all earlier lines are written.
    package func flush() {
        queue.sync {}
    }

    /// The number of lines written, by level.
    package var lines: [(level: Logger.Level, count: Int)] {
        zip(Logger.Level.allCases, counts).map { ($0, $1.total) }
    }

    /// The number of lines dropped because the buffer was full.
    package var linesDropped: Int { dropped.load(ordering: .relaxed) }
}
