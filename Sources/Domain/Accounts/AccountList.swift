/// Account ids in ascending order, without duplicates. Uses about 26 bytes per id, since lists of a million ids are
/// cached.
package struct AccountList: Sendable, Equatable {
    @usableFromInline let text: [UInt8]

    /// The end offset of each id in `text`.
    @usableFromInline let ends: [UInt32]

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

    @inlinable func range(_ index: Int) -> Range<Int> {
        (index == 0 ? 0 : Int(ends[index - 1]))..<Int(ends[index])
    }

    /// Whether the id at an index has these bytes. Allocates nothing.
    @inlinable package func matches(_ index: Int, _ bytes: Span<UInt8>) -> Bool {
        let place = range(index)
        guard place.count == bytes.count else { return false }
        let mine = text.span.extracting(place)
        for offset in bytes.indices where mine[offset] != bytes[offset] { return false }
        return true
    }

    /// The index of the first id that does not sort before `bytes`, whether or not the list contains `bytes`. Allocates
    /// nothing. The time grows with the logarithm of the distance from `start`, so a pass over two sorted lists is fast.
    ///
    /// - Parameter start: All ids before this index sort before `bytes`.
    @inlinable package func index(notBefore bytes: Span<UInt8>, from start: Int = 0) -> Int {
        var (low, high, step) = (start, start, 1)
        while high < ends.count, isBefore(high, bytes) {
            low = high + 1
            high += step
            step *= 2
        }
        high = min(high, ends.count)
        while low < high {
            let middle = (low + high) / 2
            if isBefore(middle, bytes) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Whether the id at an index sorts before `other`.
    @inlinable func isBefore(_ index: Int, _ other: Span<UInt8>) -> Bool {
        let mine = text.span.extracting(range(index))
        for offset in 0..<min(mine.count, other.count) where mine[offset] != other[offset] {
            return mine[offset] < other[offset]
        }
        return mine.count < other.count
    }

    /// The index of the first id after `account`, whether or not the list contains `account`.
    package func index(after account: AccountID) -> Int {
        let bytes = account.rawValue.utf8Span.span
        let index = index(notBefore: bytes)
        return index < count && matches(index, bytes) ? index + 1 : index
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
        let index = index(notBefore: wanted)
        return index < count && matches(index, wanted) ? index : nil
    }

    /// Whether this list contains every id of the other one. Makes one pass over both lists.
    package func isSuperset(of other: AccountList) -> Bool {
        var index = 0
        for wanted in 0..<other.count {
            let id = other.text.span.extracting(other.range(wanted))
            index = self.index(notBefore: id, from: index)
            guard index < count, matches(index, id) else { return false }
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
