import Domain
import DomainFakes
import Testing

@Suite("Ages of stored answers", .timeLimit(.minutes(10)))
struct PageAgesTests {
    /// The longest time between the receipt of two answers of a page: 2^32 - 1 ms, or 49.7 days.
    private static let span = Duration.milliseconds(4_294_967_295)
    private static let day = Duration.seconds(86_400)

    private static func read(_ account: String) -> AccountRead {
        .billingInformation(of: AccountID(literal: account))
    }

    private static func milliseconds(_ moment: Moment) -> Int64 {
        let (seconds, attoseconds) = moment.sinceOrigin.components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// Stores an answer whose content is the civil time of its receipt.
    private static func store(
        _ account: String, receivedAt: Moment, in pages: AnswerPages, _ clock: TestClock
    ) {
        let offset = clock.millisecondsSinceEpoch - milliseconds(clock.now)
        let encoded = PlainCodec().encode(
            .success(PermitSource.contact("\(milliseconds(receivedAt) + offset)")), to: read(account),
            asOf: clock.timestamp)
        guard let answer = NewAnswer(encoded, receivedAt: receivedAt, lifetime: .seconds(300)) else { return }
        _ = pages.put(answer, to: read(account), under: nil, now: clock.millisecondsSinceEpoch)
    }

    private static func receivedAt(_ account: String, in pages: AnswerPages) -> Moment? {
        pages.answer(to: read(account), under: nil, isUse: false)?.answer.receivedAt
    }

    @Test("The ages of two answers on one page are exact while they are at most 49.7 days apart")
    func atTheLimit() {
        let (pages, clock) = (AnswerPages(bytesMax: 1 << 30), TestClock())
        let start = clock.now
        Self.store("a", receivedAt: start, in: pages, clock)
        clock.advance(by: Self.span)
        Self.store("b", receivedAt: clock.now, in: pages, clock)
        #expect(Self.receivedAt("a", in: pages) == start)
        #expect(Self.receivedAt("b", in: pages) == clock.now)
    }

    @Test("Answers are counted by age, and removed answers are not counted")
    func counts() {
        let (pages, clock) = (AnswerPages(bytesMax: 1 << 30), TestClock())
        let bounds: [Duration] = [.seconds(60), .seconds(300)]
        #expect(pages.counts(of: .getBillingInformation, byAge: bounds, at: clock.now) == [0, 0, 0])
        Self.store("a", receivedAt: clock.now, in: pages, clock)
        clock.advance(by: .seconds(300))
        for account in ["b", "c", "d"] { Self.store(account, receivedAt: clock.now, in: pages, clock) }
        pages.remove(.getBillingInformation, of: AccountID(literal: "c"))
        #expect(pages.counts(of: .getBillingInformation, byAge: bounds, at: clock.now) == [2, 1, 0])
        clock.advance(by: .milliseconds(60_001))
        #expect(pages.counts(of: .getBillingInformation, byAge: bounds, at: clock.now) == [0, 2, 1])
        #expect(pages.counts(of: .getPlanUsage, byAge: bounds, at: clock.now) == [0, 0, 0])
    }

    @Test("An answer is removed when another one on its page is more than 49.7 days newer", arguments: ["a", "c"])
    func beyondTheLimit(other: String) {
        let (pages, clock) = (AnswerPages(bytesMax: 1 << 30), TestClock())
        Self.store(other, receivedAt: clock.now, in: pages, clock)
        clock.advance(by: Self.span + .milliseconds(1))
        Self.store("b", receivedAt: clock.now, in: pages, clock)
        #expect(Self.receivedAt(other, in: pages) == nil)
        #expect(Self.receivedAt("b", in: pages) == clock.now)
        #expect(pages.count == 1 && pages.inspect().problems.isEmpty)
        let list = AccountList(["a", "b", "c"].map { AccountID(literal: $0) })
        let ages = ServableAges(.none, CacheRules(), canRevalidate: true, at: clock.now)
        let run = pages.run(of: .contact, under: nil, in: list, 1..<3, ages)
        #expect(run?.found.count == 1)
        #expect(pages.run(of: .contact, under: nil, in: list, (other == "a" ? 0 : 2)..<3, ages) == nil)
    }

    @Test(
        "A stored answer of an earlier process keeps its age, and is removed when others on its page are 49.7 days newer"
    )
    func earlierProcess() throws {
        let (earlier, before) = (AnswerPages(bytesMax: 1 << 30, recordsChanges: true), TestClock())
        Self.store("a", receivedAt: before.now, in: earlier, before)
        let images = earlier.takeChanges(limit: 10, CivilClock(before)).changed.map(\.image)
        // The clock of the new process begins at zero again, 40 days later.
        let clock = TestClock(
            start: Timestamp(secondsSinceEpoch: before.timestamp.secondsSinceEpoch + 40 * 86_400))
        let pages = AnswerPages(bytesMax: 1 << 30)
        for image in images { #expect(pages.restore(image, CivilClock(clock)) { _, _ in true }) }
        #expect(Self.receivedAt("a", in: pages) == clock.now - Self.day * 40)
        clock.advance(by: Self.day * 9)
        Self.store("b", receivedAt: clock.now, in: pages, clock)
        #expect(Self.receivedAt("a", in: pages) == clock.now - Self.day * 49)
        clock.advance(by: Self.day)
        Self.store("b", receivedAt: clock.now, in: pages, clock)
        #expect(Self.receivedAt("a", in: pages) == nil)
    }

    @Test(
        "No answer appears newer than it is, whatever is stored, removed and restored for years",
        arguments: UInt64(1)...60)
    func neverYounger(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let names = ["a", "b", "c", "d", "e", "f"]
        var clock = TestClock()
        var pages = AnswerPages(bytesMax: 1 << 30, recordsChanges: true)
        var images: [Int64: PageImage] = [:]
        var checked = 0
        for _ in 0..<300 {
            let name = names[Int.random(in: names.indices, using: &random)]
            switch Int.random(in: 0..<12, using: &random) {
            case 0..<4: Self.store(name, receivedAt: clock.now, in: pages, clock)
            case 4:
                let age = Duration.milliseconds(Int64.random(in: 0...8_000_000_000, using: &random))
                Self.store(name, receivedAt: clock.now - age, in: pages, clock)
            case 5..<8: clock.advance(by: .milliseconds(Int64.random(in: 0...3_000_000_000, using: &random)))
            case 8: pages.remove(.getBillingInformation, of: AccountID(literal: name))
            case 9:
                let age = Duration.milliseconds(Int64.random(in: 0...8_000_000_000, using: &random))
                pages.removeAll(receivedBefore: clock.now - age)
            case 10:
                let changes = pages.takeChanges(limit: 100, CivilClock(clock))
                for page in changes.changed { images[page.image.number] = page.image }
                for number in changes.removed { images[number] = nil }
            default:
                // A new process, which has received some answers before it restores those of the earlier one.
                clock = TestClock(
                    start: Timestamp(
                        secondsSinceEpoch: clock.timestamp.secondsSinceEpoch
                            + Int64.random(in: 0...5_000_000, using: &random)))
                pages = AnswerPages(
                    bytesMax: 1 << 30, firstNumber: Int64.random(in: 1..<1 << 60, using: &random), recordsChanges: true)
                for name in names.shuffled(using: &random).prefix(2) {
                    Self.store(name, receivedAt: clock.now, in: pages, clock)
                }
                for image in images.values.sorted(by: { $0.number < $1.number }).shuffled(using: &random) {
                    #expect(pages.restore(image, CivilClock(clock)) { _, _ in true })
                }
            }
            let offset = clock.millisecondsSinceEpoch - Self.milliseconds(clock.now)
            for name in names {
                guard let answer = pages.answer(to: Self.read(name), under: nil, isUse: false)?.answer,
                    let truth = Int64(String(decoding: answer.body, as: UTF8.self))
                else { continue }
                checked += 1
                #expect(Self.milliseconds(answer.receivedAt) + offset <= truth, "\(name)")
            }
            #expect(pages.inspect().problems.isEmpty)
        }
        #expect(checked > 100)
    }

    @Test(
        "The id of an account whose answer was removed leaves its page after the retention time, also above 49.7 days")
    func retentionOfIDs() throws {
        let (pages, clock) = (AnswerPages(bytesMax: 1 << 30, recordsChanges: true), TestClock())
        let gone = "gone-account"
        Self.store(gone, receivedAt: clock.now, in: pages, clock)
        pages.remove(.getBillingInformation, of: AccountID(literal: gone))
        var content: [UInt8] = []
        for _ in 0..<7 {
            clock.advance(by: Self.day * 10)
            pages.removeAll(receivedBefore: clock.now - Self.day * 60)
            Self.store("other", receivedAt: clock.now, in: pages, clock)
            let changes = pages.takeChanges(limit: 10, CivilClock(clock))
            content = try #require(changes.changed.first).image.bytes
        }
        #expect(!String(decoding: content, as: UTF8.self).contains(gone))
    }

    @Test("A changed page states how many answers it has, and when the oldest and the newest entry were received")
    func changedPage() throws {
        let (pages, clock) = (AnswerPages(bytesMax: 1 << 30, recordsChanges: true), TestClock())
        let times = [30, 10, 50, 20].map { Moment(sinceOrigin: .seconds($0)) }
        clock.advance(by: .seconds(60))
        for (name, time) in zip(["a", "b", "c", "d"], times) {
            Self.store(name, receivedAt: time, in: pages, clock)
        }
        pages.remove(.getBillingInformation, of: AccountID(literal: "d"))
        let page = try #require(pages.takeChanges(limit: 10, CivilClock(clock)).changed.first)
        #expect(page.answerCount == 3)
        let start = clock.millisecondsSinceEpoch - 60_000
        #expect(page.received == start + 10_000...start + 50_000)
    }
}
