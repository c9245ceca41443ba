/// The accounts of an export that are looked up, and what is told of next.
struct ExportWindow {
    enum Item: Sendable {
        case account(AccountID)
        case line(Int, String)
    }

    typealias Outcome = Result<CacheEntry, BillingFailure>

    private struct Slot {
        let item: Item
        var outcome: Outcome?
    }

    private let isOrdered: Bool

    /// In order each is at its position modulo the size; as they come wherever there is room.
    private var slots: [Slot?]
    private var free: [Int]

    /// The next to be told of, in order; and the next to be taken in.
    private var first = 0
    private var end = 0
    private var held = 0

    /// Those whose outcome is there, as they came.
    private var ready = RingQueue<Int>()

    private(set) var contacts = 0
    private(set) var failures = 0

    init(size: Int, isOrdered: Bool) {
        self.isOrdered = isOrdered
        slots = Array(repeating: nil, count: size)
        free = isOrdered ? [] : Array(0..<size)
    }

    var done: Int { contacts + failures }
    var isEmpty: Bool { held == 0 }
    var hasRoom: Bool { isOrdered ? slots[end % slots.count] == nil : !free.isEmpty }

    /// Takes one in.
    ///
    /// - Returns: Its position.
    mutating func add(_ item: Item) -> Int {
        let position = isOrdered ? end % slots.count : free.removeLast()
        end += 1
        held += 1
        slots[position] = Slot(item: item)
        return position
    }

    mutating func finished(_ position: Int, _ outcome: Outcome) {
        slots[position]?.outcome = outcome
        if !isOrdered { ready.append(position) }
    }

    /// The next to be told of, if it is there.
    mutating func next() -> (item: Item, outcome: Outcome)? {
        let position: Int
        if isOrdered {
            position = first % slots.count
        } else {
            guard let arrived = ready.popFirst() else { return nil }
            position = arrived
        }
        guard let slot = slots[position], let outcome = slot.outcome else { return nil }
        slots[position] = nil
        if isOrdered { first += 1 } else { free.append(position) }
        held -= 1
        switch outcome {
        case .success(let entry) where entry.failure == nil: contacts += 1
        case .success, .failure: failures += 1
        }
        return (slot.item, outcome)
    }
}
