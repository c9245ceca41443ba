/// A first-in, first-out queue in a ring buffer.
struct RingQueue<Element> {
    private var places: [Element?] = []
    private var first = 0
    private(set) var count = 0

    mutating func append(_ element: Element) {
        if count == places.count { grow() }
        places[(first + count) & (places.count - 1)] = element
        count += 1
    }

    mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = places[first]
        places[first] = nil
        first = (first + 1) & (places.count - 1)
        count -= 1
        return element
    }

    /// Doubles the capacity, which is a power of two.
    private mutating func grow() {
        var larger: [Element?] = []
        larger.reserveCapacity(max(8, places.count * 2))
        for index in 0..<count { larger.append(places[(first + index) & (places.count - 1)]) }
        larger.append(contentsOf: repeatElement(nil, count: max(8, places.count * 2) - count))
        places = larger
        first = 0
    }
}
