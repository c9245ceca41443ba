/// The periods whose invoice lists are cached, by account. It only says where to look: an entry may be evicted already.
struct InvoicePeriodIndex {
    struct Account: Hashable {
        let account: AccountID
        let master: Name?
    }

    /// The source permits six lists a day for an account, and each is cached for some hours.
    static let periodsMax = 8

    private var periods: [Account: [InvoicePeriod]] = [:]

    var count: Int { periods.count }

    /// Adds a period. If the account has too many, the one that was added first is removed.
    mutating func add(_ period: InvoicePeriod, of account: Account) {
        var known = periods[account] ?? []
        guard !known.contains(period) else { return }
        if known.count == Self.periodsMax { known.removeFirst() }
        known.append(period)
        periods[account] = known
    }

    mutating func remove(_ period: InvoicePeriod, of account: Account) {
        guard var known = periods[account], let index = known.firstIndex(of: period) else { return }
        known.remove(at: index)
        periods[account] = known.isEmpty ? nil : known
    }

    /// The longer periods that contain a period, last added first.
    func periods(around period: InvoicePeriod, of account: Account) -> [InvoicePeriod] {
        (periods[account] ?? []).reversed().filter { $0 != period && $0.contains(period) }
    }
}
