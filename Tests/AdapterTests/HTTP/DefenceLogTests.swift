import Adapters
import Logging
import NIOCore
import Synchronization
import Testing

@Suite("What the defences did")
struct DefenceLogTests {
    @Test("is counted each time, and said once a second for each of them, with what went unsaid")
    func log() {
        let lines = Mutex<[String]>([])
        let log = DefenceLog(
            logger: Logger(label: "test") { _ in LineLogHandler { line in lines.withLock { $0.append(line) } } })
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        for milliseconds in stride(from: Int64(0), through: 2500, by: 10) {
            log.acted(.resets, at: start + .milliseconds(milliseconds))
        }
        log.acted(.overhead, at: start)
        log.sayRest(at: start + .milliseconds(2900))
        // Half of the last second waits for its end.
        log.sayRest(at: start + .seconds(3))
        log.sayRest(at: start + .seconds(10))
        #expect(log.count(of: .resets) == 251 && log.count(of: .overhead) == 1 && log.count(of: .continuations) == 0)
        #expect(
            lines.withLock { $0 } == [
                "a defence acted altogether=1 reason=resets times=1",
                "a defence acted altogether=101 reason=resets times=100",
                "a defence acted altogether=201 reason=resets times=100",
                "a defence acted altogether=1 reason=overhead times=1",
                "a defence acted altogether=251 reason=resets times=50",
            ])
    }
}
