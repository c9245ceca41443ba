/// The periods whose invoice lists are cached, by account. It only says where to look: an entry may be evicted already.
struct InvoicePeriodIndex {
    struct Account: Hashable {
        let account: AccountID
        let master: Name?
    }

    /// The source permits six lists a day for an account, and each is cached for some hours.
    static let wholeMax = 8

    private struct Periods {
        var all: Set<InvoicePeriod> = []

        /// Periods whose lists come from the source, the one that was added last at the end.
        var whole: [InvoicePeriod] = []
    }

    private var accounts: [Account: Periods] = [:]

    var count: Int { accounts.count }

    /// Adds a period.
    ///
    /// - Parameter isWhole: Its list comes from the source, and lists of shorter periods derive from it. If the account has too
    ///   many such periods, none derive any longer from the one that was added first.
    mutating func add(_ period: InvoicePeriod, of account: Account, isWhole: Bool) {
        var known = accounts[account] ?? Periods()
        known.all.insert(period)
        if isWhole, !known.whole.contains(period) {
            if known.whole.count == Self.wholeMax { known.whole.removeFirst() }
            known.whole.append(period)
        }
        accounts[account] = known
    }

    mutating func remove(_ period: InvoicePeriod, of account: Account) {
        guard var known = accounts[account] else { return }
        known.all.remove(period)
        known.whole.removeAll { $0 == period }
        accounts[account] = known.all.isEmpty ? nil : known
    }

    /// Removes all periods of an account, and returns them.
    mutating func removeAll(of account: Account) -> Set<InvoicePeriod> {
        accounts.removeValue(forKey: account)?.all ?? []
    }

    /// The longer periods that contain a period and whose lists come from the source, last added first.
    func periods(around period: InvoicePeriod, of account: Account) -> [InvoicePeriod] {
        (accounts[account]?.whole ?? []).reversed().filter { $0 != period && $0.contains(period) }
    }
}
