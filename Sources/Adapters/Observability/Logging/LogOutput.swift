import Dispatch
package import Logging
package import NIOCore
import Synchronization

/// Writes the lines of all loggers, and holds their common level and format.
///
/// Logging never blocks: lines wait in memory up to a limit, and a separate thread writes them. One wake-up of that thread
/// writes many lines. It is woken at once by a line of level warning or above, and when the buffer is half full;
/// other lines wait for `delay`. While nothing is logged, nothing runs.
package final class LogOutput: Sendable {
    package enum Format: String, Sendable, CaseIterable {
        /// Text for files that people read: the time in UTC, and the name of the logger.
        case text
        /// Text for terminals: the local time, and aligned messages.
        case console
        /// JSON lines.
        case json
    }

    private let levels = Atomic<Int>(Logger.Level.info.rank)
    private let formats = Atomic<Int>(0)
    private let usesColors = Atomic(false)
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "log")
    /// Signalled once for each pause that is ended before its time.
    private let pauseEnd = DispatchSemaphore(value: 0)
    private let delay: TimeAmount
    private let sink: @Sendable (ByteBuffer) -> Void

    /// Size of the buffer. While it is full, lines are dropped and counted.
    private let waitingBytesMax: Int

    /// - Parameters:
    ///   - delay: The time that a line below level warning waits for further lines, which are written with it.
    ///   - sink: Writes whole lines; called by one thread at a time.
    package init(
        waitingBytesMax: Int = 4 << 20, delay: TimeAmount = .milliseconds(20),
        sink: @escaping @Sendable (ByteBuffer) -> Void
    ) {
        self.waitingBytesMax = waitingBytesMax
        self.delay = delay
        self.sink = sink
    }

    /// The minimum level that is written. May be changed at any time.
    package var level: Logger.Level {
        get { Logger.Level.ranked[levels.load(ordering: .relaxed)] }
        set { levels.store(newValue.rank, ordering: .relaxed) }
    }

    package var format: Format {
        get { Self.allFormats[formats.load(ordering: .relaxed)] }
        set { formats.store(Self.allFormats.firstIndex(of: newValue) ?? 0, ordering: .relaxed) }
    }

    private static let allFormats = Format.allCases

    /// Whether the level has a colour, unless the format is JSON.
    package var hasColors: Bool {
        get { usesColors.load(ordering: .relaxed) }
        set { usesColors.store(newValue, ordering: .relaxed) }
    }

    /// A logger that writes here.
    package func logger(label: String) -> Logger {
        Logger(label: label) { ServiceLogHandler(label: $0, output: self) }
    }

    func write(_ line: ByteBuffer, _ level: Logger.Level) {
        write(level, bytes: line.readableBytes) { $0.writeImmutableBuffer(line) }
    }

    /// - Parameter line: Not changed; `inout` because a copy has a kilobyte.
    func write(_ line: inout PlainLine, _ level: Logger.Level) {
        write(level, bytes: line.count) { $0.writeBytes(line.bytes.span.bytes.extracting(first: line.count)) }
    }

    /// - Parameter append: Appends the line, which has `bytes` bytes.
    private func write(_ level: Logger.Level, bytes: Int, _ append: (inout ByteBuffer) -> Void) {
        let wakeUp = state.withLock { state -> State.WakeUp in
            guard state.reserve(bytes, of: waitingBytesMax, for: level) else { return .none }
            append(&state.waiting)
            return state.wakeUp(isUrgent: level >= .warning || state.bytes >= waitingBytesMax / 2)
        }
        switch wakeUp {
        case .none: break
        case .start: queue.async { [self] in writeWaiting(afterPause: true) }
        case .endPause: pauseEnd.signal()
        }
    }

    /// Returns when all earlier lines are written.
    package func flush() {
        if state.withLock({ $0.beginFlush() }) { pauseEnd.signal() }
        queue.sync { writeWaiting(afterPause: false) }
        state.withLock { $0.endFlush() }
    }

    /// Writes the lines that wait. Runs on `queue`.
    private func writeWaiting(afterPause: Bool) {
        if afterPause { pause() }
        var lines = state.withLock { $0.take() }
        while let part = Self.readPart(of: &lines) {
            sink(part)
            state.withLock { $0.wrote(part.readableBytes) }
        }
        state.withLock { $0.reuse(&lines) }
    }

    /// Waits until `delay` has passed or the pause is ended.
    private func pause() {
        guard state.withLock({ $0.beginPause() }) else { return }
        let end = DispatchTime.now() + .nanoseconds(Int(clamping: delay.nanoseconds))
        guard pauseEnd.wait(timeout: end) == .timedOut else { return }
        // If another thread has ended the pause at the same time, its signal must not end the next one.
        if !state.withLock({ $0.endPause() }) { pauseEnd.wait() }
    }

    /// The bytes of one call of the sink, if the lines are not longer: what a pipe takes at once (pipe(7)). Lines that are
    /// written make room for others, before all are written.
    private static let partBytes = 65_536

    /// Removes the next lines; `nil` at the end.
    private static func readPart(of lines: inout ByteBuffer) -> ByteBuffer? {
        let bytes = lines.readableBytesView
        guard bytes.count > partBytes else { return bytes.isEmpty ? nil : lines.readSlice(length: bytes.count) }
        let lineEnd = UInt8(ascii: "\n")
        let end =
            bytes.prefix(partBytes).lastIndex(of: lineEnd) ?? bytes.dropFirst(partBytes).firstIndex(of: lineEnd)
        return lines.readSlice(length: end.map { $0 - bytes.startIndex + 1 } ?? bytes.count)
    }

    /// The number of lines written, by level.
    package var lines: [(level: Logger.Level, count: Int)] {
        let counts = state.withLock { $0.counts }
        return Logger.Level.ranked.map { ($0, counts[$0.rank]) }
    }

    /// The number of lines dropped because the buffer was full.
    package var linesDropped: Int { state.withLock { $0.dropped } }
}

extension LogOutput {
    /// The lines that wait, and the state of the writer thread.
    private struct State {
        /// Lines that the writer has not taken.
        var waiting = ByteBuffer()

        /// The size of all lines that are not written yet, in bytes. Lines that the writer thread is writing count too.
        private(set) var bytes = 0

        /// Accepted lines, by the rank of their level.
        private(set) var counts = InlineArray<7, Int>(repeating: 0)
        private(set) var dropped = 0

        /// An empty buffer, whose memory is used for the next lines.
        private var spare = ByteBuffer()

        /// Whether the writer will run and take what waits.
        private var isStarted = false
        private var isPausing = false

        /// Whether what waits is written without a pause.
        private var isUrgent = false

        /// The callers that wait until everything is written. Until then the writer does not pause.
        private var flushes = 0

        enum WakeUp {
            case none
            case start
            case endPause
        }

        /// Counts a line.
        ///
        /// - Returns: False if there is no room for it.
        mutating func reserve(_ lineBytes: Int, of bytesMax: Int, for level: Logger.Level) -> Bool {
            guard bytes + lineBytes <= bytesMax else {
                dropped += 1
                return false
            }
            bytes += lineBytes
            counts[level.rank] += 1
            return true
        }

        /// The wake-up that a line needs.
        mutating func wakeUp(isUrgent: Bool) -> WakeUp {
            if isUrgent { self.isUrgent = true }
            guard isStarted else {
                isStarted = true
                return .start
            }
            return isUrgent && endPause() ? .endPause : .none
        }

        /// - Returns: Whether the writer is to wait for further lines.
        mutating func beginPause() -> Bool {
            isPausing = !isUrgent && flushes == 0 && waiting.readableBytes > 0
            return isPausing
        }

        /// - Returns: Whether the writer waited, and nothing else has ended its pause.
        mutating func endPause() -> Bool {
            defer { isPausing = false }
            return isPausing
        }

        /// - Returns: Whether this ended a pause.
        mutating func beginFlush() -> Bool {
            flushes += 1
            return endPause()
        }

        mutating func endFlush() { flushes -= 1 }

        mutating func take() -> ByteBuffer {
            let lines = waiting
            waiting = spare
            spare = ByteBuffer()
            isStarted = false
            isUrgent = false
            return lines
        }

        mutating func wrote(_ count: Int) { bytes -= count }

        /// The memory that is kept while nothing is logged.
        private static let spareBytesMax = 65_536

        mutating func reuse(_ lines: inout ByteBuffer) {
            guard lines.storageCapacity <= Self.spareBytesMax else { return }
            lines.clear()
            spare = lines
        }
    }
}

extension Logger.Level {
    /// All levels, each at the index of its rank.
    fileprivate static let ranked = allCases

    /// 0 for `trace`, 6 for `critical`.
    var rank: Int {
        switch self {
        case .trace: 0
        case .debug: 1
        case .info: 2
        case .notice: 3
        case .warning: 4
        case .error: 5
        case .critical: 6
        }
    }
}
