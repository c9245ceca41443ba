/// The queue for permits: interactive requests before bulk, bulk before background. Callers with interactive requests take
/// turns, so that one with many requests does not delay one with few.
///
/// While interactive requests wait, bulk still gets one permit in `bulkEvery`. Background gets a permit only when nothing
/// else waits.
package struct FairQueue: Sendable, Equatable {
    package typealias Ticket = UInt64

    private struct Lane: Equatable {
        let caller: Name?
        var tickets: [Ticket]
    }

    /// One of each caller that has something waiting, in the order of their turns.
    private var lanes: [Lane] = []
    private var bulk: [Ticket] = []
    private var background: [Ticket] = []

    /// Turns that went to others while bulk waited.
    private var turnsSinceBulk = 0

    /// One turn in so many is bulk's.
    private let bulkEvery: Int

    package private(set) var interactiveCount = 0

    /// - Parameter bulkEvery: More than 1.
    package init(bulkEvery: Int) {
        precondition(bulkEvery > 1, "others go before bulk")
        self.bulkEvery = bulkEvery
    }

    /// All requests that wait.
    var count: Int { interactiveCount + bulk.count + background.count }

    package var isEmpty: Bool { lanes.isEmpty && bulk.isEmpty && background.isEmpty }

    package mutating func enter(_ ticket: Ticket, for purpose: Purpose) {
        switch purpose.priority {
        case .background: return background.append(ticket)
        case .bulk: return bulk.append(ticket)
        case .interactive: break
        }
        interactiveCount += 1
        if let index = lanes.firstIndex(where: { $0.caller == purpose.caller }) {
            lanes[index].tickets.append(ticket)
        } else {
            lanes.append(Lane(caller: purpose.caller, tickets: [ticket]))
        }
    }

    /// How many turns there are before that of a ticket which enters now.
    package func turnsBefore(_ purpose: Purpose) -> Int {
        switch purpose.priority {
        case .background: return count
        case .bulk: return interactiveCount + bulk.count
        case .interactive: break
        }
        let ownLane = lanes.firstIndex { $0.caller == purpose.caller } ?? lanes.endIndex
        let own = ownLane < lanes.endIndex ? lanes[ownLane].tickets.count : 0
        // Those before it in turn come once more than those behind it.
        let before = lanes[..<ownLane].reduce(0) { $0 + min($1.tickets.count, own + 1) }
        let behind = lanes[ownLane...].dropFirst().reduce(0) { $0 + min($1.tickets.count, own) }
        let others = own + before + behind
        return others + min((others + turnsSinceBulk) / (bulkEvery - 1), bulk.count)
    }

    /// Whose turn it is.
    package mutating func next() -> Ticket? {
        if !bulk.isEmpty, lanes.isEmpty || turnsSinceBulk >= bulkEvery - 1 {
            turnsSinceBulk = 0
            return bulk.removeFirst()
        }
        guard !lanes.isEmpty else { return background.isEmpty ? nil : background.removeFirst() }
        if !bulk.isEmpty { turnsSinceBulk += 1 }
        interactiveCount -= 1
        var lane = lanes.removeFirst()
        let ticket = lane.tickets.removeFirst()
        if !lane.tickets.isEmpty { lanes.append(lane) }
        return ticket
    }

    /// Whoever has this ticket waits no longer.
    package mutating func leave(_ ticket: Ticket) {
        if let index = bulk.firstIndex(of: ticket) {
            bulk.remove(at: index)
            return
        }
        if let index = background.firstIndex(of: ticket) {
            background.remove(at: index)
            return
        }
        for lane in lanes.indices {
            guard let index = lanes[lane].tickets.firstIndex(of: ticket) else { continue }
            lanes[lane].tickets.remove(at: index)
            interactiveCount -= 1
            if lanes[lane].tickets.isEmpty { lanes.remove(at: lane) }
            return
        }
    }
}
