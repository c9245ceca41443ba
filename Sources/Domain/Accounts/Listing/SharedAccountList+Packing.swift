extension SharedAccountList {
    /// The list and its records in a form for storage, without the times: the list; 1 if there are records, or else 0; the records.
    package var packed: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(list.packedSize + 1 + (records?.packedSize ?? 0))
        list.append(packedTo: &bytes)
        bytes.append(records == nil ? 0 : 1)
        records?.append(packedTo: &bytes)
        return bytes
    }

    /// Reads the form of `packed`.
    ///
    /// - Returns: `nil` for another form.
    package init?(unpacking bytes: [UInt8], _ times: Times) {
        var rest = bytes[...]
        guard let list = AccountList(unpackingFrom: &rest), let hasRecords = rest.popFirst() else { return nil }
        var records: AccountRecords?
        if hasRecords == 1 {
            records = AccountRecords(unpackingFrom: &rest, count: list.count)
            guard records != nil else { return nil }
        }
        guard hasRecords <= 1, rest.isEmpty else { return nil }
        self.init(list, records, times)
    }
}
