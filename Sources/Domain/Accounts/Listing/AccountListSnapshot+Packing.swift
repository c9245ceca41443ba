extension AccountListSnapshot {
    private static let formatVersion: UInt8 = 1

    /// The list and its history in a form for storage, without the records.
    package var packed: [UInt8] {
        var bytes = [Self.formatVersion]
        bytes.reserveCapacity(list.packedSize + 100)
        for number in [asOf.secondsSinceEpoch, took.wholeMilliseconds, currentSince] {
            AccountListHistory.append(number, to: &bytes)
        }
        history.append(packedTo: &bytes)
        list.append(packedTo: &bytes)
        return bytes
    }

    /// Reads the form of `packed`.
    ///
    /// - Parameter gaps: As for `AccountListHistory.restored`.
    /// - Returns: `nil` for another form, and for a list from the future.
    package convenience init?(unpacking bytes: [UInt8], gaps: [ClosedRange<Int64>]?, _ time: any TimeSource) {
        guard bytes.first == Self.formatVersion else { return nil }
        var rest = bytes.dropFirst()
        guard let asOf = AccountListHistory.number(from: &rest), let took = AccountListHistory.number(from: &rest),
            let currentSince = AccountListHistory.number(from: &rest),
            let history = AccountListHistory(unpackingFrom: &rest), let list = AccountList(unpackingFrom: &rest),
            rest.isEmpty
        else { return nil }
        let age = time.timestamp.secondsSinceEpoch - asOf
        guard age >= 0, (0..<1 << 50).contains(took) else { return nil }
        let restored = history.restored(at: time.millisecondsSinceEpoch, gaps: gaps)
        self.init(
            list: list, records: nil, began: time.now - .seconds(age),
            asOf: Timestamp(secondsSinceEpoch: asOf), took: .milliseconds(took),
            currentSince: max(currentSince, restored.completeSince), history: restored)
    }
}
