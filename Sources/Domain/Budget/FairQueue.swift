/// Who waits for a turn: those that somebody waits for before bulk, and among them one of each caller after another, so that
/// a caller with many does not hold up one with few.
///
/// Bulk is given a small part of the turns all the same while others wait, so that it goes on however busy they are.
package struct FairQueue: Sendable, Equatable {
    package typealias Ticket = UInt64

    private struct Lane: Equatable {
        let caller: Name?
        var tickets: [Ticket]
    }

    /// One of each caller that has something waiting, in the order of their turns.
    private var lanes: [Lane] = []
    private var bulk: [Ticket] = []

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

    /// How many wait, of either kind.
    var count: Int { interactiveCount + bulk.count }

    package var isEmpty: Bool { lanes.isEmpty && bulk.isEmpty }

    package mutating func enter(_ ticket: Ticket, for purpose: Purpose) {
        guard purpose.urgency == .interactive else { return bulk.append(ticket) }
        interactiveCount += 1
        if let index = lanes.firstIndex(where: { $0.caller == purpose.caller }) {
            lanes[index].tickets.append(ticket)
        } else {
            lanes.append(Lane(caller: purpose.caller, tickets: [ticket]))
        }
    }

    /// How many turns there are before that of a ticket which enters now.
    package func turnsBefore(_ purpose: Purpose) -> Int {
        guard purpose.urgency == .interactive else { return interactiveCount + bulk.count }
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
        guard !lanes.isEmpty else { return nil }
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
        for lane in lanes.indices {
            guard let index = lanes[lane].tickets.firstIndex(of: ticket) else { continue }
            lanes[lane].tickets.remove(at: index)
            interactiveCount -= 1
            if lanes[lane].tickets.isEmpty { lanes.remove(at: lane) }
            return
        }
    }
}
