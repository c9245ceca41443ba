/// Account ids in ascending order, without duplicates. Uses about 26 bytes per id, since lists of a million ids are
/// cached.
package struct AccountList: Sendable, Equatable {
    @usableFromInline let text: [UInt8]

    /// The end offset of each id in `text`.
    @usableFromInline let ends: [UInt32]

    package var count: Int { ends.count }

    /// - Parameters:
    ///   - text: The ids in ascending order, without duplicates.
    ///   - ends: The end offset of each id in `text`.
    init(text: [UInt8], ends: [UInt32]) {
        self.text = text
        self.ends = ends
    }

    package init(_ accounts: some Sequence<AccountID>) {
        var packed = PackedAccounts()
        for account in accounts { packed.add(account) }
        self = packed.list()
    }

    package subscript(_ index: Int) -> AccountID {
        AccountID(validated: text[range(index)])
    }

    @inlinable func range(_ index: Int) -> Range<Int> {
        (index == 0 ? 0 : Int(ends[index - 1]))..<Int(ends[index])
    }

    /// Whether the id at an index has these bytes. Allocates nothing.
    @inlinable package func matches(_ index: Int, _ bytes: Span<UInt8>) -> Bool {
        text.span.extracting(range(index)).hasSameBytes(as: bytes)
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

    /// The ids that the other list does not contain. Makes one pass over both lists.
    func subtracting(_ other: AccountList) -> AccountList {
        if self == other { return AccountList(text: [], ends: []) }
        return selecting(isIn: false, other)
    }

    /// The ids that both lists contain. Makes one pass over both lists.
    func intersection(_ other: AccountList) -> AccountList { selecting(isIn: true, other) }

    private func selecting(isIn wanted: Bool, _ other: AccountList) -> AccountList {
        var selected = (text: [UInt8](), ends: [UInt32]())
        var index = 0
        for mine in 0..<count {
            let id = text.span.extracting(range(mine))
            index = other.index(notBefore: id, from: index)
            guard (index < other.count && other.matches(index, id)) == wanted else { continue }
            selected.text.append(contentsOf: text[range(mine)])
            selected.ends.append(UInt32(selected.text.count))
        }
        return AccountList(text: selected.text, ends: selected.ends)
    }

    /// The ids after `account`.
    func suffix(after account: AccountID) -> AccountList {
        let first = index(after: account)
        guard first > 0 else { return self }
        let start = range(first - 1).upperBound
        return AccountList(text: Array(text[start...]), ends: ends[first...].map { $0 - UInt32(start) })
    }
}

extension Span<UInt8> {
    /// Whether both spans have the same bytes. Compares eight bytes at a time: a stream compares an id for each line.
    @inlinable func hasSameBytes(as other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        let (mine, theirs) = (bytes, other.bytes)
        var offset = 0
        while offset + 8 <= count {
            // The offset is checked. Every value of eight bytes is a valid number.
            guard
                mine.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    == theirs.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
            else { return false }
            offset += 8
        }
        while offset < count {
            guard self[offset] == other[offset] else { return false }
            offset += 1
        }
        return true
    }
}
