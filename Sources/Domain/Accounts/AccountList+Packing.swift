extension AccountList {
    /// The size of `append(packedTo:)` in bytes.
    package var packedSize: Int { 4 + ends.count + text.count }

    /// Appends the list in a form for storage: the number of ids in 4 bytes, the length of each id in one byte, and the
    /// text of all ids.
    package func append(packedTo bytes: inout [UInt8]) {
        bytes.reserveCapacity(bytes.count + packedSize)
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: ends.count >> shift)) }
        for index in ends.indices { bytes.append(UInt8(range(index).count)) }
        bytes += text
    }

    /// Reads the form of `append(packedTo:)` from the beginning of `bytes`, and removes it there.
    ///
    /// - Returns: `nil` unless all ids are valid and in ascending order.
    package init?(unpackingFrom bytes: inout ArraySlice<UInt8>) {
        guard bytes.count >= 4 else { return nil }
        let count = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        let lengths = bytes.dropFirst(4).prefix(count)
        let size = lengths.reduce(0) { $0 + Int($1) }
        let text = bytes.dropFirst(4 + count).prefix(size)
        guard lengths.count == count, text.count == size, size < Int(UInt32.max) else { return nil }
        var ends: [UInt32] = []
        ends.reserveCapacity(count)
        var end: UInt32 = 0
        for length in lengths {
            end += UInt32(length)
            ends.append(end)
        }
        self.init(text: Array(text), ends: ends)
        for index in ends.indices {
            let id = self.text.span.extracting(range(index))
            guard OpaqueID.isValid(id), index == 0 || isBefore(index - 1, id) else { return nil }
        }
        bytes = bytes.dropFirst(4 + count + size)
    }
}

extension AccountListHistory {
    /// Appends the history in a form for storage: `completeSince` and the number of steps in 8 bytes each, and for each step
    /// its moment in 8 bytes and its two lists.
    package func append(packedTo bytes: inout [UInt8]) {
        Self.append(completeSince, to: &bytes)
        Self.append(Int64(steps.count), to: &bytes)
        for step in steps {
            Self.append(step.moment, to: &bytes)
            step.difference.added.append(packedTo: &bytes)
            step.difference.removed.append(packedTo: &bytes)
        }
    }

    /// Reads the form of `append(packedTo:)` from the beginning of `bytes`, and removes it there.
    ///
    /// - Returns: `nil` unless the moments are in ascending order and the lists are valid.
    package init?(unpackingFrom bytes: inout ArraySlice<UInt8>) {
        guard let completeSince = Self.number(from: &bytes), let count = Self.number(from: &bytes) else { return nil }
        self.init(since: completeSince)
        var last = completeSince
        for _ in 0..<max(count, 0) {
            guard let moment = Self.number(from: &bytes), (last..<Int64.max).contains(moment),
                let added = AccountList(unpackingFrom: &bytes), let removed = AccountList(unpackingFrom: &bytes)
            else { return nil }
            last = moment
            add(AccountListDifference(added: added, removed: removed), at: moment)
        }
    }

    static func append(_ number: Int64, to bytes: inout [UInt8]) {
        for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
    }

    static func number(from bytes: inout ArraySlice<UInt8>) -> Int64? {
        guard bytes.count >= 8 else { return nil }
        defer { bytes = bytes.dropFirst(8) }
        return bytes.prefix(8).reduce(0) { $0 << 8 | Int64($1) }
    }
}
