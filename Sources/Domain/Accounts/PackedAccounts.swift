/// Account ids in the order in which they were added, in one buffer. Uses about 26 bytes per id.
struct PackedAccounts: Sendable {
    private var text: [UInt8] = []

    /// The end offset of each id in `text`.
    private var ends: [UInt32] = []

    init() {}

    init(_ list: AccountList) {
        text = list.text
        ends = list.ends
    }

    /// The number of ids added, duplicates included.
    var count: Int { ends.count }

    mutating func add(_ account: AccountID) {
        text.append(contentsOf: account.rawValue.utf8)
        ends.append(UInt32(text.count))
    }

    subscript(_ index: Int) -> AccountID { AccountID(validated: text[range(UInt32(index))]) }

    /// The first 16 bytes of an id as a big-endian number, which sorts like the id.
    private struct Key {
        let first: UInt128
        let index: UInt32
    }

    /// The distinct ids in ascending order.
    func list() -> AccountList { isAscending ? AccountList(text: text, ends: ends) : list(in: order()) }

    private var isAscending: Bool {
        for index in ends.indices.dropFirst() {
            let (left, right) = (range(UInt32(index - 1)), range(UInt32(index)))
            guard text[left].lexicographicallyPrecedes(text[right]) else { return false }
        }
        return true
    }

    /// The indices of the distinct ids in ascending order of id.
    func order() -> [UInt32] {
        var keys = ends.indices.map { index in
            var first: UInt128 = 0
            let bytes = text.span.extracting(range(UInt32(index)))
            for offset in 0..<16 { first = first << 8 | UInt128(offset < bytes.count ? bytes[offset] : 0) }
            return Key(first: first, index: UInt32(index))
        }
        // Ids contain no zero byte, so the zero padding sorts a shorter id first.
        keys.sort { left, right in
            if left.first != right.first { return left.first < right.first }
            return text[range(left.index)].lexicographicallyPrecedes(text[range(right.index)])
        }
        var order: [UInt32] = []
        order.reserveCapacity(keys.count)
        for key in keys {
            if let last = order.last, matches(Int(last), text.span.extracting(range(key.index))) { continue }
            order.append(key.index)
        }
        return order
    }

    /// - Parameter order: The result of `order()`.
    func list(in order: [UInt32]) -> AccountList {
        var sorted: [UInt8] = []
        sorted.reserveCapacity(text.count)
        var sortedEnds: [UInt32] = []
        sortedEnds.reserveCapacity(order.count)
        for index in order {
            sorted.append(contentsOf: text[range(index)])
            sortedEnds.append(UInt32(sorted.count))
        }
        return AccountList(text: sorted, ends: sortedEnds)
    }

    /// Whether the id at an index has these bytes.
    func matches(_ index: Int, _ bytes: Span<UInt8>) -> Bool {
        let place = range(UInt32(index))
        guard place.count == bytes.count else { return false }
        let mine = text.span.extracting(place)
        for offset in bytes.indices where mine[offset] != bytes[offset] { return false }
        return true
    }

    private func range(_ index: UInt32) -> Range<Int> {
        (index == 0 ? 0 : Int(ends[Int(index) - 1]))..<Int(ends[Int(index)])
    }
}

/// Distinct account ids in the order in which they were added. Uses about 45 bytes per id.
struct DistinctAccounts: Sendable {
    private(set) var accounts = PackedAccounts()

    /// A hash table with linear probing. A slot has 32 bits of the hash value of an id, and the index of the id plus 1; a
    /// free slot is 0. The number of slots is a power of 2, and at most three quarters are used.
    private var slots = [UInt64](repeating: 0, count: 64)
    private let seed = UInt64.random(in: .min ... .max)

    var count: Int { accounts.count }

    /// Adds an id unless it is present.
    mutating func insert(_ account: AccountID) -> (index: Int, isNew: Bool) {
        if (count + 1) * 4 > slots.count * 3 { grow() }
        let bytes = account.rawValue.utf8Span.span
        let hash = Self.hash(bytes, seed: seed)
        var place = Int(hash) & (slots.count - 1)
        while slots[place] != 0 {
            // The ids are compared only if their hash values are equal: to read an id costs more than all else.
            if slots[place] >> 32 == hash {
                let index = Int(slots[place] & 0xFFFF_FFFF) - 1
                if accounts.matches(index, bytes) { return (index, false) }
            }
            place = (place + 1) & (slots.count - 1)
        }
        accounts.add(account)
        slots[place] = hash << 32 | UInt64(accounts.count)
        return (accounts.count - 1, true)
    }

    private mutating func grow() {
        let mask = slots.count * 2 - 1
        var larger = [UInt64](repeating: 0, count: mask + 1)
        for slot in slots where slot != 0 {
            var place = Int(slot >> 32) & mask
            while larger[place] != 0 { place = (place + 1) & mask }
            larger[place] = slot
        }
        slots = larger
    }

    /// 32 bits: FNV-1a with a seed, and the last step of MurmurHash3, since the table uses the low bits.
    private static func hash(_ bytes: Span<UInt8>, seed: UInt64) -> UInt64 {
        var hash = seed ^ 0xCBF2_9CE4_8422_2325
        for offset in bytes.indices { hash = (hash ^ UInt64(bytes[offset])) &* 0x100_0000_01B3 }
        hash = (hash ^ hash >> 33) &* 0xFF51_AFD7_ED55_8CCD
        return hash >> 32
    }
}
