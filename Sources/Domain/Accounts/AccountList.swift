/// Account ids in ascending order, without duplicates. Uses about 26 bytes per id, since lists of a million ids are
/// cached.
package struct AccountList: Sendable, Equatable {
    private let text: [UInt8]

    /// The end offset of each id in `text`.
    private let ends: [UInt32]

    package var count: Int { ends.count }

    private init(text: [UInt8], ends: [UInt32]) {
        self.text = text
        self.ends = ends
    }

    package init(_ accounts: some Sequence<AccountID>) {
        var builder = Builder()
        for account in accounts { builder.add(account) }
        self = builder.list()
    }

    package subscript(_ index: Int) -> AccountID {
        AccountID(validated: text[range(index)])
    }

    private func range(_ index: Int) -> Range<Int> {
        (index == 0 ? 0 : Int(ends[index - 1]))..<Int(ends[index])
    }

    /// The index of the first id after `account`, whether or not the list contains `account`.
    package func index(after account: AccountID) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle] <= account { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Allocates nothing: called for every request of a caller with an allow-list.
    package func contains(_ account: AccountID) -> Bool { index(of: account.rawValue.utf8Span.span) != nil }

    /// The index of an id; `nil` if the list does not contain it.
    func index(of account: AccountID) -> Int? { index(of: account.rawValue.utf8Span.span) }

    /// The indices of the ids that `other` contains as well, ascending.
    func indices(of other: AccountList) -> [UInt32] {
        var indices: [UInt32] = []
        indices.reserveCapacity(min(count, other.count))
        for position in 0..<other.count {
            if let index = index(of: other.text.span.extracting(other.range(position))) {
                indices.append(UInt32(index))
            }
        }
        return indices
    }

    private func index(of wanted: Span<UInt8>) -> Int? {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if isBefore(middle, wanted) { low = middle + 1 } else { high = middle }
        }
        guard low < count else { return nil }
        let place = range(low)
        guard place.count == wanted.count else { return nil }
        for offset in 0..<wanted.count where text[place.lowerBound + offset] != wanted[offset] { return nil }
        return low
    }

    /// Whether the id at an index sorts before `other`.
    private func isBefore(_ index: Int, _ other: Span<UInt8>) -> Bool {
        let place = range(index)
        for offset in 0..<min(place.count, other.count) {
            let (mine, others) = (text[place.lowerBound + offset], other[offset])
            if mine != others { return mine < others }
        }
        return place.count < other.count
    }

    /// Whether this list contains every id of the other one. Makes one pass over both lists.
    package func isSuperset(of other: AccountList) -> Bool {
        var index = 0
        for wanted in 0..<other.count {
            let id = other.text[other.range(wanted)]
            while index < count, text[range(index)].lexicographicallyPrecedes(id) { index += 1 }
            guard index < count, text[range(index)].elementsEqual(id) else { return false }
            index += 1
        }
        return true
    }

    /// Collects ids in any order, duplicates included.
    struct Builder: Sendable {
        private var text: [UInt8] = []
        private var ends: [UInt32] = []

        mutating func add(_ account: AccountID) {
            text.append(contentsOf: account.rawValue.utf8)
            ends.append(UInt32(text.count))
        }

        /// The number of ids added, duplicates included.
        var count: Int { ends.count }

        /// Keeps the entries with these indices, in this order.
        mutating func keep(_ order: [UInt32]) {
            let list = list(in: order)
            text = list.text
            ends = list.ends
        }

        /// The first 16 bytes of an id as a big-endian number, which sorts like the id.
        private struct Key {
            let first: UInt128
            let index: UInt32
        }

        func list() -> AccountList { list(in: order()) }

        /// The indices of the distinct ids in ascending order of id. Of several entries with one id, the last one counts.
        func order() -> [UInt32] {
            var keys = ends.indices.map { index in
                var first: UInt128 = 0
                let bytes = text[range(UInt32(index))]
                for offset in 0..<16 {
                    let byte = offset < bytes.count ? bytes[bytes.startIndex + offset] : 0
                    first = first << 8 | UInt128(byte)
                }
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
                if let last = order.last, text[range(last)].elementsEqual(text[range(key.index)]) {
                    order[order.count - 1] = max(last, key.index)
                } else {
                    order.append(key.index)
                }
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

        private func range(_ index: UInt32) -> Range<Int> {
            (index == 0 ? 0 : Int(ends[Int(index) - 1]))..<Int(ends[Int(index)])
        }
    }
}
