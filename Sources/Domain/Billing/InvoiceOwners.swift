import Synchronization

/// The accounts to which invoices belong, as answers of the source have shown.
///
/// The path of an invoice file names no account. A caller that is restricted to some accounts may download a file only if
/// this says that the invoice belongs to one of them.
package final class InvoiceOwners: Sendable {
    /// At this number the half that was not shown for the longest time is removed. Each half just fits in a dictionary of
    /// 65,536 buckets. For ids of 32 characters all of them need at most 20 MB.
    package static let invoicesMax = 98_304

    private struct Key: Hashable {
        let invoice: InvoiceID
        let master: Name?

        /// The memory of the texts of an entry, at most. The invoices of one list share the text of the account.
        func bytes(_ account: AccountID) -> Int {
            Self.bytes(of: invoice.rawValue) + Self.bytes(of: account.rawValue)
        }

        /// Longer texts than 15 bytes are allocated, with a header of 32 bytes.
        private static func bytes(of text: String) -> Int {
            let count = text.utf8.count
            return count > 15 ? 32 + (count + 16) & ~15 : 0
        }
    }

    /// Two generations: when the recent one is full, it becomes the older one, whose invoices are removed. So the oldest
    /// invoices leave without a queue of all of them.
    private struct State {
        var recent: [Key: AccountID] = [:]
        var older: [Key: AccountID] = [:]
        var recentTextBytes = 0
        var olderTextBytes = 0
        var version = 0

        func owner(of key: Key) -> AccountID? { recent[key] ?? older[key] }

        /// - Returns: Entries to be freed without the lock.
        mutating func record(_ account: AccountID, _ key: Key, recentMax: Int) -> [Key: AccountID] {
            if let previous = older.removeValue(forKey: key) { olderTextBytes -= key.bytes(previous) }
            if let previous = recent.updateValue(account, forKey: key) { recentTextBytes -= key.bytes(previous) }
            recentTextBytes += key.bytes(account)
            guard recent.count >= recentMax else { return [:] }
            let removed = older
            (older, olderTextBytes) = (recent, recentTextBytes)
            (recent, recentTextBytes) = ([:], 0)
            return removed
        }
    }

    private let state = Mutex(State())
    private let recentMax: Int

    package init(invoicesMax: Int = InvoiceOwners.invoicesMax) {
        recentMax = max(invoicesMax / 2, 1)
    }

    /// The account of an invoice; `nil` if no answer has shown it, or not recently.
    ///
    /// - Parameter master: The master account of the caller, as for `BillingSource`.
    package func owner(of invoice: InvoiceID, under master: Name?) -> AccountID? {
        state.withLock { $0.owner(of: Key(invoice: invoice, master: master)) }
    }

    /// Incremented by `removeAll`.
    var version: Int { state.withLock { $0.version } }

    /// Records the invoices of a list. Their last list decides.
    ///
    /// - Parameter version: The `version` before the request for the list. A list of an earlier version is ignored.
    func record(_ list: InvoiceList, of account: AccountID, under master: Name?, version: Int) {
        let removed = state.withLock { state -> [[Key: AccountID]] in
            guard version == state.version else { return [] }
            var removed: [[Key: AccountID]] = []
            for case let invoice? in list.invoices.lazy.map(\.id) {
                let old = state.record(account, Key(invoice: invoice, master: master), recentMax: recentMax)
                if !old.isEmpty { removed.append(old) }
            }
            return removed
        }
        _ = consume removed
    }

    /// Records an invoice whose details were read. A list that showed it as another account's counts more: whether the
    /// source compares the account of a path with that of the invoice is not documented.
    func record(detailsOf invoice: InvoiceID, of account: AccountID, under master: Name?, version: Int) {
        let removed = state.withLock { state -> [Key: AccountID] in
            let key = Key(invoice: invoice, master: master)
            guard version == state.version, state.owner(of: key) ?? account == account else { return [:] }
            return state.record(account, key, recentMax: recentMax)
        }
        _ = consume removed
    }

    /// Removes all invoices, and ignores the answers to requests in flight. For changed master accounts.
    package func removeAll() {
        let removed = state.withLock { state in
            defer { state = State(version: state.version + 1) }
            return state
        }
        _ = consume removed
    }

    /// The number of invoices and their size in bytes, at most.
    package var size: (invoices: Int, bytes: Int) {
        state.withLock { state in
            // Up to three quarters of the buckets of a dictionary are in use.
            let buckets = (state.recent.capacity + state.older.capacity) * 4 / 3
            let entry = MemoryLayout<Key>.stride + MemoryLayout<AccountID>.stride
            return (
                state.recent.count + state.older.count,
                buckets * entry + state.recentTextBytes + state.olderTextBytes
            )
        }
    }
}

/// A source whose answers are recorded in `InvoiceOwners`.
package struct OwnerRecordingSource: BillingSource {
    private let source: any BillingSource
    private let owners: InvoiceOwners

    package init(_ source: any BillingSource, owners: InvoiceOwners) {
        self.source = source
        self.owners = owners
    }

    package func answer(
        to read: AccountRead, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> SourceAnswer {
        let version = owners.version
        let answer = try await source.answer(to: read, under: master, for: purpose)
        switch (answer, read.parameter) {
        case (.invoices(let list), _): owners.record(list, of: read.account, under: master, version: version)
        case (.document, .invoice(let invoice)?):
            owners.record(detailsOf: invoice, of: read.account, under: master, version: version)
        case (.document, .period?), (.document, nil), (.contact, _): break
        }
        return answer
    }

    package func hasQueuedRequests(for operation: Operation, under master: Name?) -> Bool {
        source.hasQueuedRequests(for: operation, under: master)
    }
}
