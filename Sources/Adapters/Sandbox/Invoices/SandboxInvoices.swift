/// The invoices of all accounts. Each is computed from its account and month, so that invoices need no memory. Accounts with
/// changed plans have charges, which determine their later invoices.
///
/// An id has 32 hexadecimal digits: the prefix of Zuora's ids, the account and the month, mixed so that ids are not in order,
/// and a checksum, so that an invented id is recognized as unknown.
struct SandboxInvoices: Sendable {
    /// An account, and a month or a subscription.
    struct Key: Sendable, Equatable {
        let account: Int

        /// Counted from January 2000; from `subscriptionBase`, the number of a subscription.
        let month: Int

        private static let subscriptionBase = 1 << 19

        /// The number of the subscription; `nil` for a monthly invoice.
        var subscription: Int? { month < Self.subscriptionBase ? nil : month - Self.subscriptionBase }

        init(account: Int, month: Int) {
            self.account = account
            self.month = month
        }

        init(account: Int, subscription: Int) {
            self.init(account: account, month: Self.subscriptionBase + subscription)
        }
    }

    private let accounts: SandboxAccounts
    private let seed: UInt64

    init(accounts: SandboxAccounts, seed: UInt64) {
        self.accounts = accounts
        self.seed = SandboxAccounts.mix(seed &+ 2)
    }

    // MARK: Ids

    private static let prefix = "2c92"
    private static let monthBits = 20

    func id(of key: Key) -> String {
        let mixed = SandboxAccounts.mix(UInt64(key.account) << Self.monthBits | UInt64(key.month) ^ seed)
        return Self.prefix + Self.digits(mixed, 16) + checksum(of: mixed)
    }

    /// The account and the month of an invoice; `nil` if no invoice can have this id.
    func key(of id: String) -> Key? {
        let digits = id.utf8
        guard digits.count == 32, id.hasPrefix(Self.prefix), digits.allSatisfy({ !(65...90).contains($0) }),
            let mixed = UInt64(id.dropFirst(Self.prefix.count).prefix(16), radix: 16),
            id.hasSuffix(checksum(of: mixed))
        else { return nil }
        let content = SandboxAccounts.unmix(mixed) ^ seed
        let account = content >> Self.monthBits
        guard account <= SandboxAccounts.master,
            account == SandboxAccounts.master || accounts.contains(Int(account))
        else { return nil }
        return Key(account: Int(account), month: Int(content & (1 << Self.monthBits - 1)))
    }

    private func checksum(of mixed: UInt64) -> String {
        Self.digits(SandboxAccounts.mix(mixed &+ seed) >> 16, 12)
    }

    private static func digits(_ number: UInt64, _ count: Int) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: count - digits.utf8.count) + digits
    }

    // MARK: Invoices

    /// The invoices of an account with dates in a range, oldest first.
    ///
    /// - Parameters:
    ///   - today: Later invoices do not exist yet.
    ///   - charges: `nil` if no write changed the plans of the account.
    func list(
        of account: Int, from: SandboxDate, to: SandboxDate, today: SandboxDate, charges: SandboxCharges?
    ) -> [SandboxInvoice] {
        guard from <= to else { return [] }
        let keys = (Self.month(of: from)...Self.month(of: to)).map { Key(account: account, month: $0) }
        let monthly = keys.compactMap { key in
            let invoice = invoice(key, today: today, charges: charges)
            return invoice.flatMap { (from...to).contains($0.date) ? $0 : nil }
        }
        guard let charges, !charges.subscriptions.isEmpty else { return monthly }
        let subscribed = charges.subscriptions.indices.compactMap { index in
            (from...to).contains(charges.subscriptions[index].date)
                ? invoice(Key(account: account, subscription: index), today: today, charges: charges) : nil
        }
        return (monthly + subscribed).sorted { ($0.date, $0.number) < ($1.date, $1.number) }
    }

    /// `nil` if the account has no invoice of this month or subscription yet, or has no invoices.
    func invoice(_ key: Key, today: SandboxDate, charges: SandboxCharges?) -> SandboxInvoice? {
        let account = key.account
        if let index = key.subscription {
            guard let charges, index < charges.subscriptions.count else { return nil }
            return invoice(key, index, charges.subscriptions[index], today: today)
        }
        let date = date(of: key)
        guard date <= today, date >= accounts.created(account) else { return nil }
        let items: [SandboxInvoice.Item]
        if let charges, date > charges.begin {
            let end = self.date(of: Key(account: account, month: key.month + 1)).adding(days: -1)
            items = self.items(charges.monthly(on: date), of: account, from: date, through: end)
            guard !items.isEmpty else { return nil }
        } else {
            guard !accounts.isFree(account) else { return nil }
            items = self.items(of: key)
        }
        let total = items.reduce(SandboxAmount.zero) { $0 + $1.total }
        let dueDate = date.adding(days: 30)
        let (status, balance) = state(of: key, total: total, date: date, dueDate: dueDate, today: today)
        let isLatest = self.date(of: Key(account: account, month: key.month + 1)) > today
        return SandboxInvoice(
            id: id(of: key),
            number: "INV\(SandboxAccounts.padded(account, to: 8))\(SandboxAccounts.padded(key.month, to: 4))",
            account: account, date: date, dueDate: dueDate, currency: currency(of: account), status: status,
            items: items, total: total, tax: items.reduce(.zero) { $0 + $1.tax }, balance: balance,
            hasQuotedStatus: isLatest && accounts.kind(of: account) == .quotedStatus)
    }

    /// The invoice of a subscription.
    private func invoice(
        _ key: Key, _ index: Int, _ subscription: SandboxCharges.Subscription, today: SandboxDate
    ) -> SandboxInvoice? {
        let date = subscription.date
        guard date <= today else { return nil }
        let through = nextDate(of: key.account, after: date).adding(days: -1)
        let items = items(subscription.charges, of: key.account, from: date, through: through)
        let total = items.reduce(SandboxAmount.zero) { $0 + $1.total }
        let dueDate = date.adding(days: 30)
        return SandboxInvoice(
            id: id(of: key),
            number: "INV\(SandboxAccounts.padded(key.account, to: 8))S\(SandboxAccounts.padded(index, to: 4))",
            account: key.account, date: date, dueDate: dueDate, currency: currency(of: key.account),
            status: today < date.adding(days: 3) ? .draft : .posted, items: items, total: total,
            tax: items.reduce(.zero) { $0 + $1.tax }, balance: today < dueDate ? total : .zero, hasQuotedStatus: false)
    }

    private func items(
        _ charges: [SandboxCharges.Charge], of account: Int, from: SandboxDate, through: SandboxDate
    ) -> [SandboxInvoice.Item] {
        charges.map { charge in
            let net = SandboxAmount(hundredths: charge.quantity * charge.price)
            let tax = net.tax(atRate: taxRate(of: account))
            return SandboxInvoice.Item(
                charge: charge.name, type: .recurring, from: from, through: through, quantity: charge.quantity,
                total: net + tax, tax: tax)
        }
    }

    /// The date of the next invoice after a day.
    func nextDate(of account: Int, after day: SandboxDate) -> SandboxDate {
        let date = date(of: Key(account: account, month: Self.month(of: day)))
        return date > day ? date : self.date(of: Key(account: account, month: Self.month(of: day) + 1))
    }

    private static func month(of date: SandboxDate) -> Int { max(0, (date.year - 2000) * 12 + date.month - 1) }

    /// Each account has its own day of the month.
    private func date(of key: Key) -> SandboxDate {
        SandboxDate(year: 2000 + key.month / 12, month: key.month % 12 + 1, day: key.account % 28 + 1)
    }

    func currency(of account: Int) -> String {
        switch accounts.contact(of: account).country {
        case "DE": "EUR"
        case "CA": "CAD"
        default: "USD"
        }
    }

    /// In hundred thousandths.
    private func taxRate(of account: Int) -> Int {
        switch accounts.contact(of: account).country {
        case "DE": 19_000
        case "CA": 13_000
        default: 8_875
        }
    }

    /// The status, and the balance that is consistent with it.
    ///
    /// An invoice is a draft for three days. Most are paid on the due date. A few are paid late or in part; a few are
    /// canceled or have an error, and then nothing is due.
    private func state(
        of key: Key, total: SandboxAmount, date: SandboxDate, dueDate: SandboxDate, today: SandboxDate
    ) -> (SandboxInvoice.Status, balance: SandboxAmount) {
        if today < date.adding(days: 3) { return (.draft, total) }
        switch (key.account * 7 + key.month) % 50 {
        case 11: return (.canceled, .zero)
        case 23: return (.error, .zero)
        case 31: return (.posted, SandboxAmount(hundredths: total.hundredths / 2))
        case 37: return (.posted, today < dueDate.adding(days: 60) ? total : .zero)
        case _: return (.posted, today < dueDate ? total : .zero)
        }
    }

    // MARK: Items

    private static let itemsOfLarge = 5000

    private func items(of key: Key) -> [SandboxInvoice.Item] {
        let account = key.account
        let start = date(of: key)
        let end = date(of: Key(account: account, month: key.month + 1)).adding(days: -1)
        let rate = taxRate(of: account)
        let chance = Int(SandboxAccounts.mix(UInt64(account) << 32 | UInt64(key.month)) >> 40)
        func item(
            _ charge: String, _ type: SandboxInvoice.ChargeType, quantity: Int, each: Int, isPast: Bool = false
        ) -> SandboxInvoice.Item {
            let net = SandboxAmount(hundredths: quantity * each)
            let tax = net.tax(atRate: rate)
            let previous = isPast ? date(of: Key(account: account, month: key.month - 1)) : start
            return SandboxInvoice.Item(
                charge: charge, type: type, from: previous, through: isPast ? start.adding(days: -1) : end,
                quantity: quantity, total: net + tax, tax: tax)
        }
        switch accounts.kind(of: account) {
        case .large:
            return (0..<Self.itemsOfLarge).map { index in
                item("Rooms of building \(index + 1)", .recurring, quantity: 1 + index % 9, each: 4999)
            }
        case .longAmounts:
            let total = SandboxAmount(hundredths: 1_234_567_890_123_456_789)
            let tax = SandboxAmount(hundredths: 100_000_000_000_000_001)
            return [
                SandboxInvoice.Item(
                    charge: "Business, monthly", type: .recurring, from: start, through: end, quantity: 1, total: total,
                    tax: tax)
            ]
        case .missingMembers, .nullMembers, .additionalMembers, .free, .freeWithSuccessStatus, .selfPay, .quotedStatus,
            .unsafeFileName, nil:
            let hosts = SandboxPlanKind.hosts(of: account)
            let base = SandboxPlanKind.base(of: account)
            var items = [item(base.charge, .recurring, quantity: hosts, each: base.price)]
            if account.isMultiple(of: 3) {
                items.append(item("Webinar 500, monthly", .recurring, quantity: 1 + account % 3, each: 7900))
            }
            if !account.isMultiple(of: 2) {
                items.append(item("Toll-free calls", .usage, quantity: 1 + chance % 4000, each: 3, isPast: true))
            }
            if key.month.isMultiple(of: 12) { items.append(item("Onboarding", .oneTime, quantity: 1, each: 25_050)) }
            if account.isMultiple(of: 5), key.month.isMultiple(of: 6) {
                items.append(item("Credit for an outage", .oneTime, quantity: 1, each: -100 - chance % 900))
            }
            return items
        }
    }
}
