import Domain
import DomainFakes
import Testing

@Suite("Fair queue")
struct FairQueueTests {
    private static let (a, b, c) = (Name(literal: "a"), Name(literal: "b"), Name(literal: "c"))

    private static func all(_ queue: FairQueue) -> [FairQueue.Ticket] {
        var queue = queue
        var tickets: [FairQueue.Ticket] = []
        while let ticket = queue.next() { tickets.append(ticket) }
        return tickets
    }

    @Test("A fair queue alternates between callers, however many requests one caller has queued")
    func fair() {
        var queue = FairQueue(bulkEvery: 20)
        for ticket in 1...5 { queue.enter(FairQueue.Ticket(ticket), for: .interactive(for: Self.a)) }
        queue.enter(6, for: .interactive(for: Self.b))
        queue.enter(7, for: .interactive(for: Self.b))
        queue.enter(8, for: .interactive(for: Self.c))
        #expect(Self.all(queue) == [1, 6, 8, 2, 7, 3, 4, 5])
        #expect(queue.callerCount == 8)
    }

    @Test("A fair queue serves bulk after interactive requests, except for a small part of the permits")
    func bulk() {
        var queue = FairQueue(bulkEvery: 4)
        for ticket in 1...3 { queue.enter(FairQueue.Ticket(100 + ticket), for: .bulk) }
        for ticket in 1...8 { queue.enter(FairQueue.Ticket(ticket), for: .interactive(for: Self.a)) }
        #expect(Self.all(queue) == [1, 2, 3, 101, 4, 5, 6, 102, 7, 8, 103])
    }

    @Test("A fair queue serves changes before interactive requests, and callers with changes take turns")
    func writes() {
        var queue = FairQueue(bulkEvery: 20)
        func write(_ caller: Name) -> Purpose { .write(for: caller, queueTimeout: .seconds(2)) }
        for ticket in 1...2 { queue.enter(FairQueue.Ticket(ticket), for: .interactive(for: Self.a)) }
        for ticket in 11...12 { queue.enter(FairQueue.Ticket(ticket), for: write(Self.a)) }
        queue.enter(13, for: write(Self.b))
        #expect(queue.permitsBefore(write(Self.c)) == 2 && queue.permitsBefore(.interactive(for: Self.c)) == 4)
        queue.enter(101, for: .bulk)
        #expect(Self.all(queue) == [11, 13, 12, 1, 2, 101])
    }

    @Test("Background requests get a permit only when nothing else waits")
    func background() {
        var queue = FairQueue(bulkEvery: 4)
        let background = Purpose.background(queueTimeout: .seconds(1))
        for ticket in 1...3 { queue.enter(FairQueue.Ticket(200 + ticket), for: background) }
        for ticket in 1...3 { queue.enter(FairQueue.Ticket(100 + ticket), for: .bulk) }
        for ticket in 1...4 { queue.enter(FairQueue.Ticket(ticket), for: .interactive(for: Self.a)) }
        #expect(queue.permitsBefore(background) == 10 && queue.permitsBefore(.bulk) == 7)
        queue.leave(202)
        #expect(Self.all(queue) == [1, 2, 3, 101, 4, 102, 103, 201, 203])
    }

    @Test(
        "A fair queue predicts the permits before a new request, and requests can leave it",
        arguments: [UInt64.random(in: 0 ... .max)])
    func permits(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            var queue = FairQueue(bulkEvery: 5)
            var left: Set<FairQueue.Ticket> = []
            for ticket in 1...FairQueue.Ticket.random(in: 1...30, using: &random) {
                let caller = [Self.a, Self.b, Self.c].randomElement(using: &random) ?? Self.a
                let purposes = [
                    Purpose.bulk, .interactive(for: caller), .write(for: caller, queueTimeout: .seconds(2)),
                ]
                queue.enter(ticket, for: purposes.randomElement(using: &random) ?? .bulk)
                if Int.random(in: 0..<4, using: &random) == 0 {
                    queue.leave(ticket)
                    left.insert(ticket)
                }
            }
            let purpose =
                Bool.random(using: &random)
                ? Purpose.interactive(for: Self.b) : .write(for: Self.b, queueTimeout: .seconds(2))
            let permits = queue.permitsBefore(purpose)
            queue.enter(1000, for: purpose)
            let order = Self.all(queue)
            let position = try #require(order.firstIndex(of: 1000))
            #expect(position == permits, "seed \(seed)")
            #expect(left.isDisjoint(with: order) && Set(order).count == order.count, "seed \(seed)")
            #expect(queue.isEmpty == order.isEmpty)
        }
    }
}

@Suite("Daily quota")
struct DailyQuotaTests {
    private static let noon = Timestamp(secondsSinceEpoch: 1_769_860_800)
    private static let midnight = Timestamp(secondsSinceEpoch: 1_769_904_000)

    @Test("A daily quota reserves a part for interactive requests, and resets at midnight UTC")
    func reserve() {
        var day = DailyQuota(limit: 10, reserve: 3)
        for _ in 0..<7 { day.spend(at: Self.noon) }
        #expect(day.wait(for: .bulk, at: Self.noon) == .seconds(43_200))
        #expect(day.wait(for: .interactive, at: Self.noon) == nil)
        for _ in 0..<3 { day.spend(at: Self.noon) }
        #expect(day.wait(for: .interactive, at: Self.noon) == .seconds(43_200))
        let last = Timestamp(secondsSinceEpoch: Self.midnight.secondsSinceEpoch - 1)
        #expect(day.wait(for: .bulk, at: last) == .seconds(1))
        #expect(day.wait(for: .bulk, at: Self.midnight) == nil)
    }

    @Test("A daily quota that the source reports as exhausted resets by the end of the next day")
    func exhausted() {
        var day = DailyQuota(limit: nil)
        #expect(day.wait(for: .bulk, at: Self.noon) == nil)
        day.exhausted(until: Self.midnight, at: Self.noon)
        #expect(day.wait(for: .interactive, at: Self.noon) == .seconds(43_200))
        #expect(day.wait(for: .interactive, at: Self.midnight) == nil)
        day.exhausted(until: Timestamp(secondsSinceEpoch: .max), at: Self.noon)
        #expect(day.wait(for: .interactive, at: Self.noon) == .seconds(43_200 + 86_400))
    }
}

@Suite("AIMD throttle")
struct AIMDThrottleTests {
    private static func moment(_ seconds: Double) -> Moment { Moment(sinceOrigin: .seconds(seconds)) }

    @Test("An AIMD throttle slows down once for simultaneous refusals, and recovers gradually")
    func throttle() {
        var throttle = AIMDThrottle()
        throttle.refused(at: Self.moment(1))
        throttle.refused(at: Self.moment(1.1))
        #expect(throttle.factor == 0.7)
        throttle.refused(at: Self.moment(2))
        #expect(abs(throttle.factor - 0.49) < 0.001)
        for tenth in 20..<40 { throttle.accepted(at: Self.moment(Double(tenth) / 10)) }
        #expect(abs(throttle.factor - 0.585) < 0.001)
        for tenth in 40..<200 { throttle.accepted(at: Self.moment(Double(tenth) / 10)) }
        #expect(throttle.factor == 1)
        // A pause shows nothing of the other clients' requests.
        throttle.refused(at: Self.moment(20))
        throttle.accepted(at: Self.moment(1000))
        #expect(abs(throttle.factor - 0.75) < 0.001)
    }

    @Test("An AIMD throttle never stops, and is off if the source reports the remaining quota")
    func bounds() {
        var throttle = AIMDThrottle()
        for second in 0..<100 { throttle.refused(at: Self.moment(Double(second))) }
        #expect(throttle.factor == 0.05)
        throttle.turnOff()
        #expect(throttle.factor == 1)
        throttle.refused(at: Self.moment(200))
        #expect(throttle.factor == 1)
    }
}
