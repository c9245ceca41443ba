/// A first-in, first-out queue in a ring buffer.
struct RingQueue<Element> {
    private var slots: [Element?] = []
    private var start = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    var first: Element? { isEmpty ? nil : slots[start] }

    mutating func append(_ element: Element) {
        if count == slots.count { grow() }
        slots[(start + count) & (slots.count - 1)] = element
        count += 1
    }

    mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = slots[start]
        slots[start] = nil
        start = (start + 1) & (slots.count - 1)
        count -= 1
        return element
    }

    /// Doubles the capacity, which is a power of two.
    private mutating func grow() {
        var larger: [Element?] = []
        larger.reserveCapacity(max(8, slots.count * 2))
        for index in 0..<count { larger.append(slots[(start + index) & (slots.count - 1)]) }
        larger.append(contentsOf: repeatElement(nil, count: max(8, slots.count * 2) - count))
        slots = larger
        start = 0
    }
}

extension RingQueue: Sendable where Element: Sendable {}
