import Dispatch
package import Logging
package import NIOCore
import Synchronization

/// Where the lines of all logs go, and what holds for all of them: which level is written, and how.
///
/// Whoever logs never waits for whoever reads: lines wait in memory, so many and no more, and another thread writes them.
package final class LogOutput: Sendable {
    package enum Format: String, Sendable, CaseIterable {
        /// For people.
        case text
        /// An object a line, for programs.
        case json
    }

    private let levels = Atomic<Int>(LogOutput.rank(of: .info))
    private let usesJSON = Atomic(false)
    private let counts = Logger.Level.allCases.map { _ in ShardedCount() }
    private let waitingBytes = Atomic<Int>(0)
    private let dropped = Atomic<Int>(0)
    private let queue = DispatchQueue(label: "log")
    private let sink: @Sendable (ByteBuffer) -> Void

    /// A reader that stands still for longer than it takes to fill this loses lines.
    private let waitingBytesMax: Int

    /// - Parameter sink: Writes lines; called by one thread at a time.
    package init(waitingBytesMax: Int = 4 << 20, sink: @escaping @Sendable (ByteBuffer) -> Void) {
        self.waitingBytesMax = waitingBytesMax
        self.sink = sink
    }

    /// What is written: this and all above it. May be changed at any time.
    package var level: Logger.Level {
        get { Logger.Level.allCases[levels.load(ordering: .relaxed)] }
        set { levels.store(Self.rank(of: newValue), ordering: .relaxed) }
    }

    package var format: Format {
        get { usesJSON.load(ordering: .relaxed) ? .json : .text }
        set { usesJSON.store(newValue == .json, ordering: .relaxed) }
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

    /// Returns when all that was logged before is written.
    package func flush() {
        queue.sync {}
    }

    /// How many lines of each level were written.
    package var lines: [(level: Logger.Level, count: Int)] {
        zip(Logger.Level.allCases, counts).map { ($0, $1.total) }
    }

    /// How many were not, since nobody took them.
    package var linesDropped: Int { dropped.load(ordering: .relaxed) }
}
