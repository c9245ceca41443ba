/// The events of a simulation, in the order of their virtual times in microseconds.
struct VirtualTime<Event> {
    private(set) var now: Int64 = 0

    /// The last is the next. Of events at the same time, the one that was scheduled first comes first. The times are apart
    /// from their events, so that looking for a place does not copy events.
    private var times: [Int64] = []
    private var events: [Event] = []

    mutating func schedule(_ event: Event, in delay: Int64) {
        let at = now + max(delay, 0)
        var low = 0
        var high = times.count
        while low < high {
            let middle = (low + high) / 2
            if times[middle] > at { low = middle + 1 } else { high = middle }
        }
        times.insert(at, at: low)
        events.insert(event, at: low)
    }

    /// Advances to the next event; nil if there is none until `end`.
    mutating func next(until end: Int64) -> Event? {
        guard let at = times.last, at <= end else { return nil }
        times.removeLast()
        now = at
        return events.removeLast()
    }
}
