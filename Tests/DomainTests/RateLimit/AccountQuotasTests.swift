import Domain
import DomainFakes
import Testing

@Suite("Quotas of accounts")
struct AccountQuotasTests {
    private let a = AccountID(literal: "a")
    private let noon: Int64 = 1_769_860_800

    private static func moment(_ seconds: Int64) -> Moment { Moment(sinceOrigin: .seconds(seconds)) }

    private func list(_ account: AccountID) -> AccountQuotas.Subject {
        AccountQuotas.Subject(.listBillingInvoices, account: account)
    }

    /// Reserves and sends at a time in seconds after noon. Returns the wait of a refusal.
    @discardableResult
    private func send(
        _ quotas: inout AccountQuotas, _ subject: AccountQuotas.Subject, at seconds: Int64
    ) -> (reservation: AccountQuotas.Reservation?, wait: Duration?) {
        let result = reserve(&quotas, subject, at: seconds)
        if let reservation = result.reservation {
            quotas.sent(reservation, at: Self.moment(seconds), Timestamp(secondsSinceEpoch: noon + seconds))
        }
        return result
    }

    /// Reserves at a time in seconds after noon. Returns the wait of a refusal.
    private func reserve(
        _ quotas: inout AccountQuotas, _ subject: AccountQuotas.Subject, at seconds: Int64
    ) -> (reservation: AccountQuotas.Reservation?, wait: Duration?) {
        let decision = quotas.reserve(
            subject, at: Self.moment(seconds), Timestamp(secondsSinceEpoch: noon + seconds))
        return switch decision {
        case .granted(let reservation)?: (reservation, nil)
        case .refused(let wait)?: (nil, wait)
        case nil: (nil, nil)
        }
    }

    @Test("Quotas of accounts: one list in five minutes for an account, counted from the end of the request")
    func interval() throws {
        var quotas = AccountQuotas()
        let reservation = try #require(reserve(&quotas, list(a), at: 0).reservation)
        // It may be sent at any time.
        #expect(reserve(&quotas, list(a), at: 1).wait == .seconds(300))
        #expect(reserve(&quotas, list(a), at: 1000).wait == .seconds(300))
        #expect(reserve(&quotas, list(AccountID(literal: "b")), at: 1).reservation != nil)
        quotas.sent(reservation, at: Self.moment(7), Timestamp(secondsSinceEpoch: noon + 7))
        #expect(reserve(&quotas, list(a), at: 306).wait == .seconds(1))
        #expect(reserve(&quotas, list(a), at: 307).reservation != nil)
    }

    @Test("Quotas of accounts: six lists a day, and the day ends at 00:00 UTC")
    func day() {
        var quotas = AccountQuotas()
        for number in 0..<6 { #expect(send(&quotas, list(a), at: Int64(number) * 300).reservation != nil) }
        #expect(send(&quotas, list(a), at: 1500).wait == .seconds(43_200 - 1500))
        #expect(send(&quotas, list(a), at: 43_199).wait == .seconds(1))
        #expect(send(&quotas, list(a), at: 43_200).reservation != nil)
        // Midnight does not end the interval.
        #expect(send(&quotas, list(a), at: 43_201).wait == .seconds(299))
    }

    @Test("Quotas of accounts: each invoice has its own interval, and the account its number of requests a day")
    func invoices() {
        var quotas = AccountQuotas()
        func details(_ number: Int) -> AccountQuotas.Subject {
            .init(.getInvoiceDetails, account: a, invoice: InvoiceID("i\(number)"))
        }
        for number in 0..<100 { #expect(send(&quotas, details(number), at: 0).reservation != nil) }
        #expect(send(&quotas, details(7), at: 60).wait == .seconds(43_140))
        #expect(send(&quotas, details(100), at: 60).wait == .seconds(43_140))
        var other = AccountQuotas()
        _ = send(&other, details(7), at: 0)
        #expect(send(&other, details(7), at: 60).wait == .seconds(1740))
        #expect(send(&other, details(8), at: 60).reservation != nil)
        // Another operation for the same invoice has its own quota.
        let download = AccountQuotas.Subject(.downloadInvoiceFile, account: a, invoice: InvoiceID("i7"))
        #expect(send(&other, download, at: 60).reservation != nil)
    }

    @Test("Quotas of accounts: a request that was not sent gives its reservation back")
    func giveBack() throws {
        var quotas = AccountQuotas()
        for _ in 0..<10 {
            let reservation = try #require(reserve(&quotas, list(a), at: 0).reservation)
            quotas.giveBack(reservation)
        }
        #expect(quotas.entries == 0)
        send(&quotas, list(a), at: 0)
        #expect(reserve(&quotas, list(a), at: 1).wait == .seconds(299))
    }

    @Test("Quotas of accounts: a request that ends after midnight counts for the new day as well")
    func overMidnight() throws {
        var quotas = AccountQuotas()
        let reservation = try #require(reserve(&quotas, list(a), at: 43_199).reservation)
        quotas.sent(reservation, at: Self.moment(43_205), Timestamp(secondsSinceEpoch: noon + 43_205))
        for number in 1..<6 {
            #expect(send(&quotas, list(a), at: 43_205 + Int64(number) * 300).reservation != nil)
        }
        #expect(reserve(&quotas, list(a), at: 43_205 + 1800).wait == .seconds(86_400 - 5 - 1800))
    }

    @Test("Quotas of accounts: an operation without a quota has no limit and no entry")
    func noQuota() {
        var quotas = AccountQuotas()
        for _ in 0..<3 {
            let (reservation, wait) = reserve(&quotas, .init(.getBillingInformation, account: a), at: 0)
            #expect(reservation == nil && wait == nil)
        }
        #expect(quotas.entries == 0)
    }

    @Test("Quotas of accounts: expired entries are removed, and their number is limited")
    func bounded() {
        var quotas = AccountQuotas(entriesMax: 2000)
        // Ten thousand accounts in a day, then in an instant.
        for number in 0..<10_000 {
            send(&quotas, list(AccountID(literal: "account-\(number)")), at: Int64(number) * 43_000 / 10_000)
            #expect(quotas.entries <= 4201)
        }
        for number in 0..<10_000 {
            send(&quotas, list(AccountID(literal: "other-\(number)")), at: 43_200)
            #expect(quotas.entries <= 4201)
        }
        // A request in flight is never forgotten.
        let open = reserve(&quotas, list(a), at: 43_200)
        #expect(open.reservation != nil)
        for number in 0..<10_000 { send(&quotas, list(AccountID(literal: "late-\(number)")), at: 43_201) }
        #expect(reserve(&quotas, list(a), at: 43_202).wait == .seconds(300))
        // On the next day few are left.
        for number in 0..<3000 { send(&quotas, list(AccountID(literal: "next-\(number)")), at: 129_600) }
        #expect(quotas.entries < 4201)
        #expect(AccountQuotas.entriesMax == 100_000)
    }

    /// A list of all requests that the source counted, from which it would decide.
    private struct Model {
        struct Request {
            let subject: AccountQuotas.Subject
            let account: String
            let began: Int64
            /// `nil` while it is open.
            var ended: Int64?
        }

        var requests: [Int: Request] = [:]

        func permits(_ subject: AccountQuotas.Subject, account: String, interval: Int64, perDay: Int, at time: Int64)
            -> Bool
        {
            let day = time / 86_400
            let ofInterval = requests.values.filter { $0.subject == subject }
            let ofDay = requests.values.filter {
                $0.account == account && ($0.began / 86_400 == day || $0.ended.map { $0 / 86_400 } == day)
            }
            return ofInterval.allSatisfy { $0.ended.map { time >= $0 + interval } ?? false } && ofDay.count < perDay
        }
    }

    @Test(
        "Quotas of accounts: grants and waits agree with a list of all requests",
        arguments: 1...20 as ClosedRange<UInt64>)
    func model(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var quotas = AccountQuotas()
        var model = Model()
        var open: [Int: AccountQuotas.Reservation] = [:]
        var time: Int64 = 0
        for step in 0..<3000 {
            time += Int64.random(in: 0...400, using: &random)
            let account = "a\(Int.random(in: 0...2, using: &random))"
            let isList = Bool.random(using: &random)
            let invoice = isList ? nil : InvoiceID("i\(Int.random(in: 0...40, using: &random))")
            let subject = AccountQuotas.Subject(
                isList ? .listBillingInvoices : .getInvoiceDetails, account: AccountID(literal: account),
                invoice: invoice)
            let (interval, perDay): (Int64, Int) = isList ? (300, 6) : (1800, 100)
            let key = "\(isList) \(account)"
            let now = Moment(sinceOrigin: .seconds(time))
            let permits = model.permits(subject, account: key, interval: interval, perDay: perDay, at: time)
            switch quotas.reserve(subject, at: now, Timestamp(secondsSinceEpoch: time)) {
            case .granted(let reservation)?:
                #expect(permits, "step \(step) of seed \(seed)")
                open[step] = reservation
                model.requests[step] = .init(subject: subject, account: key, began: time, ended: nil)
            case .refused(let wait)?:
                let seconds = wait.components.seconds
                #expect(!permits && seconds > 0, "step \(step) of seed \(seed)")
                // The wait is exact, unless a request is open: a second earlier the request would be refused.
                guard model.requests.values.allSatisfy({ $0.subject != subject || $0.ended != nil }) else { break }
                #expect(
                    model.permits(subject, account: key, interval: interval, perDay: perDay, at: time + seconds)
                        && !model.permits(
                            subject, account: key, interval: interval, perDay: perDay, at: time + seconds - 1),
                    "step \(step) of seed \(seed)")
            case nil: Issue.record("the operation has a quota")
            }
            for (number, reservation) in open.sorted(by: { $0.key < $1.key }) {
                switch Int.random(in: 0...3, using: &random) {
                case 0:
                    quotas.giveBack(reservation)
                    model.requests[number] = nil
                    open[number] = nil
                case 1, 2:
                    quotas.sent(reservation, at: now, Timestamp(secondsSinceEpoch: time))
                    model.requests[number]?.ended = time
                    open[number] = nil
                default: break
                }
            }
            model.requests = model.requests.filter { $0.value.ended ?? time > time - 2 * 86_400 }
        }
    }
}
