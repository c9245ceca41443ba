import Adapters
import Dispatch
import DomainFakes
import Logging
import NIOCore
import Synchronization
import Testing

@Suite("Log output: lines are written together by one thread", .timeLimit(.minutes(10)))
struct LogOutputTests {
    /// A longer time than any test takes: only what ends a pause early writes lines.
    private static let forever = TimeAmount.hours(1)

    /// What an output has written, by calls of its sink.
    private final class Written: Sendable {
        private let texts = Mutex<[String]>([])
        let events = Event<String>()

        func add(_ lines: ByteBuffer) {
            let text = String(buffer: lines)
            texts.withLock { $0.append(text) }
            events.fire(text)
        }

        var calls: [String] { texts.withLock { $0 } }

        /// The messages of the lines, in order.
        var messages: [String] { LogOutputTests.messages(of: calls.joined()) }
    }

    private static func messages(of text: String) -> [String] {
        text.split(separator: "\n").map { $0.split(separator: "test: ").last.map(String.init) ?? "" }
    }

    private static func output(
        bytesMax: Int = 4 << 20, delay: TimeAmount = forever
    ) -> (LogOutput, Logger, Written) {
        let written = Written()
        let output = LogOutput(waitingBytesMax: bytesMax, delay: delay) { written.add($0) }
        return (output, output.logger(label: "test"), written)
    }

    @Test("many lines are written by one call, in order, when the output is flushed")
    func together() {
        let (output, logger, written) = Self.output()
        for number in 0..<100 { logger.info("\(number)") }
        output.flush()
        #expect(written.calls.count == 1)
        #expect(written.messages == (0..<100).map(String.init))
    }

    @Test(
        "a warning is written at once, after the lines before it",
        arguments: [Logger.Level.warning, .error, .critical])
    func urgent(level: Logger.Level) async throws {
        let (output, logger, written) = Self.output()
        for round in 0..<20 {
            logger.info("before \(round)")
            logger.log(level: level, "urgent \(round)")
            var messages: [String] = []
            while messages.last != "urgent \(round)" {
                messages += Self.messages(of: try await written.events.next())
            }
            #expect(messages == ["before \(round)", "urgent \(round)"])
        }
        output.flush()
        #expect(written.messages.count == 40)
    }

    @Test("a line of level info is written without a flush")
    func delayed() async throws {
        let (_, logger, written) = Self.output(delay: .milliseconds(1))
        for round in 0..<50 {
            logger.info("\(round)")
            #expect(Self.messages(of: try await written.events.next()) == ["\(round)"])
        }
    }

    @Test("lines are written without a flush when the buffer is half full")
    func halfFull() async throws {
        let (output, logger, written) = Self.output(bytesMax: 10_000)
        for number in 0..<100 { logger.info("\(number) \(String(repeating: "a", count: 20))") }
        let first = try await written.events.next()
        #expect(first.utf8.count >= 5000)
        output.flush()
        #expect(written.messages.count == 100 && output.linesDropped == 0)
    }

    @Test("the waiting bytes never exceed the limit, and each line over it is counted")
    func bound() async throws {
        let began = Signal()
        let release = DispatchSemaphore(value: 0)
        let written = Written()
        let output = LogOutput(waitingBytesMax: 10_000, delay: Self.forever) { lines in
            began.fire()
            release.wait()
            release.signal()
            written.add(lines)
        }
        let logger = output.logger(label: "test")
        // This line waits while the sink writes it.
        logger.warning("0000")
        try await began.wait()
        for number in 1..<1000 { logger.warning("\(String(repeating: "0", count: 4 - "\(number)".count))\(number)") }
        let dropped = output.linesDropped
        release.signal()
        output.flush()
        let lineBytes = try #require(written.calls.first?.utf8.count)
        let accepted = 10_000 / lineBytes
        #expect(written.messages.compactMap { Int($0) } == Array(0..<accepted))
        #expect(dropped == 1000 - accepted && output.linesDropped == dropped)
        #expect(output.lines.first { $0.level == .warning }?.count == accepted)
        // There is room again.
        for _ in 0..<accepted { logger.info("more") }
        output.flush()
        #expect(written.messages.count == 2 * accepted && output.linesDropped == dropped)
    }

    @Test(
        "lines of several threads are written once, in the order of their thread",
        arguments: [TimeAmount.zero, .microseconds(100), .milliseconds(20)])
    func threads(delay: TimeAmount) {
        let (output, logger, written) = Self.output(delay: delay)
        let (threads, lines) = (8, 1000)
        let missing = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: threads) { thread in
            for number in 0..<lines {
                logger.log(level: number % 97 == 0 ? .warning : .info, "\(thread) \(number)")
                guard number % 211 == 0 else { continue }
                output.flush()
                if !written.messages.contains("\(thread) \(number)") { missing.add(1, ordering: .relaxed) }
            }
        }
        output.flush()
        #expect(missing.load(ordering: .relaxed) == 0, "lines were not written when a flush after them returned")
        var next = Array(repeating: 0, count: threads)
        for message in written.messages {
            let numbers = message.split(separator: " ").compactMap { Int($0) }
            #expect(numbers.count == 2 && next[numbers[0]] == numbers[1], "\(message)")
            next[numbers[0]] += 1
        }
        #expect(next == Array(repeating: lines, count: threads))
        #expect(output.linesDropped == 0)
    }

    @Test("a flush does not wait for the delay while other threads log")
    func flushes() {
        let (output, logger, written) = Self.output()
        DispatchQueue.concurrentPerform(iterations: 4) { thread in
            for number in 0..<200 {
                logger.info("\(thread) \(number)")
                output.flush()
            }
        }
        #expect(written.messages.count == 800)
    }

    @Test("a flush returns if nothing was logged")
    func empty() {
        let (output, _, written) = Self.output()
        output.flush()
        output.flush()
        #expect(written.calls.isEmpty)
    }

    @Test("lines that fill more than one call are divided at line ends")
    func parts() {
        let (output, logger, written) = Self.output(bytesMax: 1 << 20)
        let long: Logger.Metadata = .init(
            uniqueKeysWithValues: (0..<300).map { ("\($0)", "\(String(repeating: "a", count: 250))") })
        for number in 0..<2000 { logger.info("\(number)") }
        logger.info("long", metadata: long)
        for number in 0..<2000 { logger.info("\(number)") }
        output.flush()
        #expect(output.linesDropped == 0 && written.calls.count > 2)
        #expect(written.calls.allSatisfy { $0.hasSuffix("\n") })
        #expect(written.calls.filter { $0.utf8.count > 65_536 }.map { $0.split(separator: "\n").count } == [1])
        #expect(written.messages.count == 4001)
    }
}
