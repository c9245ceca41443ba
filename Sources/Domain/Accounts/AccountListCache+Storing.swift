/// Lists of all accounts outlive a restart: they are taken for storage when they have changed, and restored at the start.
extension AccountListCache {
    /// A list in a form for storage.
    package struct StoredList: Sendable, Equatable {
        /// `nil` for the only master account.
        package let master: Name?

        /// Empty for a list that was removed.
        package let content: [UInt8]

        /// When the listing began, or the list was removed, in milliseconds since 1970.
        package let asOf: Int64

        package init(master: Name?, content: [UInt8], asOf: Int64) {
            self.master = master
            self.content = content
            self.asOf = asOf
        }
    }

    /// The lists that have changed since they were last taken. They then count as unchanged.
    package func takeChangedLists() -> [StoredList] {
        let (now, taken) = takeChanged()
        return taken.map { master, snapshot in
            guard let snapshot else { return StoredList(master: master, content: [], asOf: now) }
            var content: [UInt8] = []
            content.reserveCapacity(64 + snapshot.list.packedSize)
            content.append(Self.version)
            for number in [now, Int64(snapshot.took / .milliseconds(1)), snapshot.currentSince] {
                AccountListHistory.append(number, to: &content)
            }
            snapshot.list.append(packedTo: &content)
            snapshot.history.append(packedTo: &content)
            return StoredList(
                master: master, content: content, asOf: snapshot.asOf.secondsSinceEpoch * 1000)
        }
    }

    /// The version of the form of `content`.
    private static let version: UInt8 = 1

    /// Caches a stored list, unless the list of its master account is cached.
    ///
    /// - Returns: Whether the content could be read.
    package func restore(_ stored: StoredList) -> Bool {
        var rest = stored.content[...]
        guard rest.popFirst() == Self.version, let taken = AccountListHistory.number(from: &rest),
            let took = AccountListHistory.number(from: &rest), took >= 0,
            let currentSince = AccountListHistory.number(from: &rest),
            let list = AccountList(unpackingFrom: &rest),
            let history = AccountListHistory(unpackingFrom: &rest),
            rest.isEmpty
        else { return false }
        restore(
            list, history, of: stored.master, asOf: Timestamp(secondsSinceEpoch: stored.asOf / 1000),
            took: .milliseconds(took), currentSince: currentSince, taken: taken)
        return true
    }
}
