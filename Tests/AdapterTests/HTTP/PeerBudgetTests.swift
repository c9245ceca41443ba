import Adapters
import NIOCore
import Testing

@Suite("What one peer may do")
struct PeerBudgetTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private static func budget() -> PeerBudget {
        var limits = Limits()
        limits.resets = .init(atOnce: 200, perSecond: 20)
        limits.streamErrors = .init(atOnce: 100, perSecond: 10)
        limits.controlFrames = .init(atOnce: 500, perSecond: 50)
        limits.emptyDataFramesMax = 100
        limits.windowUpdatesSpare = 100
        return PeerBudget(limits: limits, now: start)
    }

    struct Bucket: CustomTestStringConvertible {
        let reason: Defence
        let atOnce: Int
        let perSecond: Int
        let event: @Sendable (inout PeerBudget, NIODeadline) -> PeerBudget.Verdict
        var testDescription: String { "\(reason)" }
    }

    @Test(
        "is a number at once, and so many a second after that",
        arguments: [
            Bucket(reason: .resets, atOnce: 200, perSecond: 20) { $0.resetReceived(at: $1) },
            Bucket(reason: .streamErrors, atOnce: 100, perSecond: 10) { $0.resetSent(at: $1) },
            Bucket(reason: .controlFrames, atOnce: 500, perSecond: 50) { $0.controlFrameReceived(at: $1) },
        ])
    func buckets(row: Bucket) {
        var budget = Self.budget()
        for _ in 0..<row.atOnce { #expect(row.event(&budget, Self.start) == .goOn) }
        #expect(row.event(&budget, Self.start) == .cutOff(row.reason))
        let later = Self.start + .seconds(1)
        for _ in 0..<row.perSecond { #expect(row.event(&budget, later) == .goOn) }
        #expect(row.event(&budget, later) == .cutOff(row.reason))
        // It fills no further than to its size.
        let muchLater = Self.start + .hours(1)
        for _ in 0..<row.atOnce { #expect(row.event(&budget, muchLater) == .goOn) }
        #expect(row.event(&budget, muchLater) == .cutOff(row.reason))
    }

    @Test("is more for whoever lets itself be answered: a balancer that passes on cancels is safe")
    func balancer() {
        var budget = Self.budget()
        for _ in 0..<10_000 {
            budget.answerCompleted()
            budget.answerCompleted()
            #expect(budget.resetReceived(at: Self.start) == .goOn)
        }
    }

    @Test("is a hundred empty frames in a row, and no end of them between others")
    func emptyData() {
        var budget = Self.budget()
        for _ in 0..<100 { #expect(budget.dataReceived(count: 0, endsStream: false) == .goOn) }
        #expect(budget.dataReceived(count: 1, endsStream: false) == .goOn)
        for _ in 0..<100 { #expect(budget.dataReceived(count: 0, endsStream: false) == .goOn) }
        #expect(budget.dataReceived(count: 0, endsStream: true) == .goOn)
        for _ in 0..<100 { #expect(budget.dataReceived(count: 0, endsStream: false) == .goOn) }
        #expect(budget.dataReceived(count: 0, endsStream: false) == .cutOff(.emptyData))
    }

    @Test("is window updates in proportion to what was sent")
    func windowUpdates() {
        var budget = Self.budget()
        for _ in 0..<100 { #expect(budget.windowUpdateReceived() == .goOn) }
        budget.dataSent(bytes: 1024)
        for _ in 0..<10 { #expect(budget.windowUpdateReceived() == .goOn) }
        #expect(budget.windowUpdateReceived() == .cutOff(.windowUpdates))
    }
}
