import Adapters
import DomainFakes
import NIOCore
import Testing

@Suite("Peer budget")
struct PeerBudgetTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private static func budget() -> PeerBudget {
        var limits = Limits()
        limits.resets = .init(burst: 200, perSecond: 20)
        limits.streamErrors = .init(burst: 100, perSecond: 10)
        limits.controlFrames = .init(burst: 500, perSecond: 50)
        limits.emptyDataFramesMax = 100
        limits.windowUpdatesSpare = 100
        return PeerBudget(limits: limits, now: start)
    }

    struct Bucket: CustomTestStringConvertible {
        let reason: Defence
        let burst: Int
        let perSecond: Int
        let event: @Sendable (inout PeerBudget, NIODeadline) -> PeerBudget.Verdict
        var testDescription: String { "\(reason)" }
    }

    @Test(
        "each limited event has a burst and a refill rate",
        arguments: [
            Bucket(reason: .resets, burst: 200, perSecond: 20) { $0.resetReceived(at: $1) },
            Bucket(reason: .streamErrors, burst: 100, perSecond: 10) { $0.resetSent(at: $1) },
            Bucket(reason: .controlFrames, burst: 500, perSecond: 50) { $0.controlFrameReceived(at: $1) },
        ])
    func buckets(row: Bucket) {
        var budget = Self.budget()
        for _ in 0..<row.burst { #expect(row.event(&budget, Self.start) == .proceed) }
        #expect(row.event(&budget, Self.start) == .cutOff(row.reason))
        let later = Self.start + .seconds(1)
        for _ in 0..<row.perSecond { #expect(row.event(&budget, later) == .proceed) }
        #expect(row.event(&budget, later) == .cutOff(row.reason))
        // The bucket refills to its burst, not beyond.
        let muchLater = Self.start + .hours(1)
        for _ in 0..<row.burst { #expect(row.event(&budget, muchLater) == .proceed) }
        #expect(row.event(&budget, muchLater) == .cutOff(row.reason))
    }

    @Test("completed responses earn resets, so a load balancer that forwards cancellations is not cut off")
    func balancer() {
        var budget = Self.budget()
        for _ in 0..<10_000 {
            budget.responseCompleted()
            budget.responseCompleted()
            #expect(budget.resetReceived(at: Self.start) == .proceed)
        }
    }

    @Test("100 empty DATA frames in a row are allowed, and any other DATA frame restarts the count")
    func emptyData() {
        var budget = Self.budget()
        for _ in 0..<100 { #expect(budget.dataReceived(count: 0, endsStream: false) == .proceed) }
        #expect(budget.dataReceived(count: 1, endsStream: false) == .proceed)
        for _ in 0..<100 { #expect(budget.dataReceived(count: 0, endsStream: false) == .proceed) }
        #expect(budget.dataReceived(count: 0, endsStream: true) == .proceed)
        for _ in 0..<100 { #expect(budget.dataReceived(count: 0, endsStream: false) == .proceed) }
        #expect(budget.dataReceived(count: 0, endsStream: false) == .cutOff(.emptyData))
    }

    @Test("window updates are limited in proportion to the bytes sent")
    func windowUpdates() {
        var budget = Self.budget()
        for _ in 0..<100 { #expect(budget.windowUpdateReceived() == .proceed) }
        budget.dataSent(bytes: 1024)
        for _ in 0..<10 { #expect(budget.windowUpdateReceived() == .proceed) }
        #expect(budget.windowUpdateReceived() == .cutOff(.windowUpdates))
    }

    @Test("protocol overhead is limited to a base plus 8 bytes for each payload byte")
    func overhead() {
        var limits = Limits()
        limits.overheadBytesMax = 1000
        let useful: [@Sendable (inout PeerBudget) -> Void] = [
            { $0.fieldsReceived(bytes: 100) }, { _ = $0.dataReceived(count: 100, endsStream: false) },
            { $0.dataSent(bytes: 100) },
        ]
        for use in useful {
            var budget = PeerBudget(limits: limits, now: Self.start)
            #expect(budget.taken(bytes: 1000, queuedFrames: 0) == .proceed)
            use(&budget)
            #expect(budget.taken(bytes: 800, queuedFrames: 0) == .proceed)
            #expect(budget.taken(bytes: 1, queuedFrames: 0) == .cutOff(.overhead))
        }
    }

    @Test("the number of unread frames in the queue is limited")
    func unread() {
        var limits = Limits()
        limits.queuedFramesMax = 5000
        var budget = PeerBudget(limits: limits, now: Self.start)
        #expect(budget.taken(bytes: 1, queuedFrames: 5000) == .proceed)
        #expect(budget.taken(bytes: 1, queuedFrames: 5001) == .cutOff(.unreadAnswers))
    }

    @Test("random event sequences never exceed burst plus refill")
    func random() {
        var random = SeededRandom(seed: 4)
        for _ in 0..<300 {
            var budget = Self.budget()
            var now = Self.start
            var resets = 0
            var answers = 0
            while true {
                switch Int.random(in: 0..<6, using: &random) {
                case 0:
                    answers += 1
                    budget.responseCompleted()
                case 1: now = now + .milliseconds(Int64.random(in: 0...20, using: &random))
                case 2: _ = budget.windowUpdateReceived()
                default:
                    let allowed =
                        200 + Double(answers) / 2 + 20 * Double((now - Self.start).nanoseconds) / 1_000_000_000
                    if budget.resetReceived(at: now) == .proceed {
                        resets += 1
                        #expect(Double(resets) <= allowed + 0.001)
                        continue
                    }
                    // Earned and refilled tokens were lost while the bucket was full, so only the burst is certain.
                    #expect(resets >= 200)
                }
                if resets > 1000 || answers > 5000 { break }
            }
        }
    }
}
