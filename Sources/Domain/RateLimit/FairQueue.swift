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

    /// One lane for each caller with queued requests, in the order in which they get permits.
    private var lanes: [Lane] = []
    private var bulk: [Ticket] = []
    private var background: [Ticket] = []

    /// Permits that went to interactive requests while bulk waited.
    private var permitsSinceBulk = 0

    /// Bulk gets one permit in this many.
    private let bulkEvery: Int

    package private(set) var interactiveCount = 0

    /// - Parameter bulkEvery: More than 1.
    package init(bulkEvery: Int) {
        precondition(bulkEvery > 1, "bulk must not get every permit")
        self.bulkEvery = bulkEvery
    }

    /// The number of queued requests.
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

    /// The number of permits granted before that of a request which enters now.
    package func permitsBefore(_ purpose: Purpose) -> Int {
        switch purpose.priority {
        case .background: return count
        case .bulk: return interactiveCount + bulk.count
        case .interactive: break
        }
        let ownLane = lanes.firstIndex { $0.caller == purpose.caller } ?? lanes.endIndex
        let own = ownLane < lanes.endIndex ? lanes[ownLane].tickets.count : 0
        // Lanes before this one get one more permit than lanes behind it.
        let before = lanes[..<ownLane].reduce(0) { $0 + min($1.tickets.count, own + 1) }
        let behind = lanes[ownLane...].dropFirst().reduce(0) { $0 + min($1.tickets.count, own) }
        let others = own + before + behind
        return others + min((others + permitsSinceBulk) / (bulkEvery - 1), bulk.count)
    }

    /// Removes and returns the request that gets the next permit.
    package mutating func next() -> Ticket? {
        if !bulk.isEmpty, lanes.isEmpty || permitsSinceBulk >= bulkEvery - 1 {
            permitsSinceBulk = 0
            return bulk.removeFirst()
        }
        guard !lanes.isEmpty else { return background.isEmpty ? nil : background.removeFirst() }
        if !bulk.isEmpty { permitsSinceBulk += 1 }
        interactiveCount -= 1
        var lane = lanes.removeFirst()
        let ticket = lane.tickets.removeFirst()
        if !lane.tickets.isEmpty { lanes.append(lane) }
        return ticket
    }

    /// Removes a request that no longer waits.
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
