/// The queue for permits: writes before interactive requests, those before bulk, bulk before background. Callers with writes
/// take turns, and so do callers with interactive requests: one with many requests does not delay one with few.
///
/// While writes or interactive requests wait, bulk still gets one permit in `bulkEvery`. Background gets a permit only when
/// nothing else waits.
package struct FairQueue: Sendable, Equatable {
    package typealias Ticket = UInt64

    private var writes = CallerLanes()
    private var interactive = CallerLanes()
    private var bulk: [Ticket] = []
    private var background: [Ticket] = []

    /// Permits that went to other requests while bulk waited.
    private var permitsSinceBulk = 0

    /// Bulk gets one permit in this many.
    private let bulkEvery: Int

    /// The number of queued requests for which a caller waits.
    package var callerCount: Int { writes.count + interactive.count }

    /// - Parameter bulkEvery: More than 1.
    package init(bulkEvery: Int) {
        precondition(bulkEvery > 1, "bulk must not get every permit")
        self.bulkEvery = bulkEvery
    }

    /// The number of queued requests.
    var count: Int { callerCount + bulk.count + background.count }

    package var isEmpty: Bool { writes.isEmpty && interactive.isEmpty && bulk.isEmpty && background.isEmpty }

    package mutating func enter(_ ticket: Ticket, for purpose: Purpose) {
        switch purpose.priority {
        case .background: background.append(ticket)
        case .bulk: bulk.append(ticket)
        case .interactive: interactive.append(ticket, of: purpose.caller)
        case .write: writes.append(ticket, of: purpose.caller)
        }
    }

    /// The number of permits granted before that of a request which enters now.
    package func permitsBefore(_ purpose: Purpose) -> Int {
        let others: Int
        switch purpose.priority {
        case .background: return count
        case .bulk: return callerCount + bulk.count
        case .interactive: others = writes.count + interactive.countBefore(purpose.caller)
        case .write: others = writes.countBefore(purpose.caller)
        }
        return others + min((others + permitsSinceBulk) / (bulkEvery - 1), bulk.count)
    }

    /// Removes and returns the request that gets the next permit.
    package mutating func next() -> Ticket? {
        let isBulkNext = callerCount == 0 || permitsSinceBulk >= bulkEvery - 1
        if !bulk.isEmpty, isBulkNext {
            permitsSinceBulk = 0
            return bulk.removeFirst()
        }
        guard let ticket = writes.next() ?? interactive.next() else {
            return background.isEmpty ? nil : background.removeFirst()
        }
        if !bulk.isEmpty { permitsSinceBulk += 1 }
        return ticket
    }

    /// Removes a request that no longer waits.
    package mutating func leave(_ ticket: Ticket) {
        if writes.remove(ticket) || interactive.remove(ticket) { return }
        if let index = bulk.firstIndex(of: ticket) {
            bulk.remove(at: index)
        } else if let index = background.firstIndex(of: ticket) {
            background.remove(at: index)
        }
    }
}

/// Queued requests of several callers, who take turns.
private struct CallerLanes: Sendable, Equatable {
    private struct Lane: Equatable {
        let caller: Name?
        var tickets: [FairQueue.Ticket]
    }

    /// One lane for each caller with queued requests, in the order in which they get permits.
    private var lanes: [Lane] = []

    /// The number of queued requests.
    private(set) var count = 0

    var isEmpty: Bool { lanes.isEmpty }

    mutating func append(_ ticket: FairQueue.Ticket, of caller: Name?) {
        count += 1
        if let index = lanes.firstIndex(where: { $0.caller == caller }) {
            lanes[index].tickets.append(ticket)
        } else {
            lanes.append(Lane(caller: caller, tickets: [ticket]))
        }
    }

    /// The number of requests before the next one of a caller.
    func countBefore(_ caller: Name?) -> Int {
        let ownLane = lanes.firstIndex { $0.caller == caller } ?? lanes.endIndex
        let own = ownLane < lanes.endIndex ? lanes[ownLane].tickets.count : 0
        // Lanes before this one get one more permit than lanes behind it.
        let before = lanes[..<ownLane].reduce(0) { $0 + min($1.tickets.count, own + 1) }
        let behind = lanes[ownLane...].dropFirst().reduce(0) { $0 + min($1.tickets.count, own) }
        return own + before + behind
    }

    /// Removes and returns the first request of the next caller.
    mutating func next() -> FairQueue.Ticket? {
        guard !lanes.isEmpty else { return nil }
        count -= 1
        var lane = lanes.removeFirst()
        let ticket = lane.tickets.removeFirst()
        if !lane.tickets.isEmpty { lanes.append(lane) }
        return ticket
    }

    /// - Returns: Whether the request was queued.
    mutating func remove(_ ticket: FairQueue.Ticket) -> Bool {
        for lane in lanes.indices {
            guard let index = lanes[lane].tickets.firstIndex(of: ticket) else { continue }
            count -= 1
            lanes[lane].tickets.remove(at: index)
            if lanes[lane].tickets.isEmpty { lanes.remove(at: lane) }
            return true
        }
        return false
    }
}
