/// Lists all accounts from a paged list whose pages are unordered and may change during the listing. Their records are
/// listed as well while they fit a limit.
///
/// An account on any page counts, and duplicates are removed. When accounts are added or removed, the pages shift. A
/// pass over the pages may then miss an account that existed throughout. A pass is complete if every page reports the
/// same total and the pass found that many accounts. Without such a pass, the listing is complete after a pass that
/// found no new account: an account still missing would have been missed by every pass.
///
/// The listing fails on an endless list: a repeated page token, many pages without a new account, or more pages than
/// the reported number of accounts can fill.
///
/// A listing of chosen accounts ignores all others, and is complete as soon as each chosen account was found.
struct AccountListing: Sendable {
    enum Step: Sendable {
        /// Fetch the page with this token; `nil` for the first page.
        case fetch(String?)
        case complete(AccountList, AccountRecords?)
        case failed(BillingFailure.AccountListProblem)
    }

    /// The page limit if the source reports the number of accounts: ten times the pages they fill, plus 100. Accounts
    /// may be added during the listing, and pages need not be full.
    private static let pagesPerFullPage = 10
    private static let extraPages = 100

    /// Consecutive pages without a new account that end the listing. Single ones are normal, when accounts shift
    /// between pages.
    private static let pagesWithoutNewMax = 20
    private static let passesMax = 5

    private let pagesMax: Int

    /// The chosen accounts; `nil` for all accounts.
    private let chosen: AllowList?

    /// The accounts of all passes, without those that were not chosen.
    private var found = DistinctAccounts()

    /// The records of `found`; `nil` once they exceed their limit.
    private var records: AccountRecords.Builder?
    private var pages = 0
    private var passes = 0

    /// The last pass that had each account of `found`. The first pass is 0.
    private var lastPasses: [UInt8] = []

    /// The number of accounts of this pass.
    private var countInPass = 0

    /// With chosen accounts, hash values of all accounts of this pass, since `found` lacks most of them. Two of 10 million
    /// collide with a probability of 1 in 300,000. A collision only counts a new account as known.
    private var hashesInPass: Set<Int> = []

    /// Hash values of the page tokens of this pass. A collision ends the listing as an endless one. With 33,334 tokens, its
    /// probability is less than 1 in 10 billion.
    private var tokens: Set<Int> = []
    private var pagesWithoutNew = 0
    private var largestPage = 0

    /// The numbers of accounts that the pages of this pass report; `nil` for a page that reports none.
    private var totals: Set<Int?> = []

    /// The number of accounts found by the end of the previous pass.
    private var previousCount: Int?

    private(set) var step = Step.fetch(nil)

    /// - Parameters:
    ///   - pagesMax: The maximum number of pages of a list.
    ///   - recordBytesMax: The limit for the records of all accounts. Beyond it the listing has no records.
    ///   - chosen: Lists only these accounts; `nil` for all accounts.
    init(pagesMax: Int, recordBytesMax: Int, chosen: AllowList? = nil) {
        self.pagesMax = pagesMax
        self.chosen = chosen
        records = recordBytesMax > 0 ? AccountRecords.Builder(bytesMax: recordBytesMax) : nil
    }

    /// - Returns: The accounts that no page before had.
    mutating func add(_ page: SubAccountPage) -> PackedAccounts {
        var new = PackedAccounts()
        let countBefore = countInPass
        var listed: [(index: Int, record: SourceDocument)] = []
        for account in page.accounts {
            if let chosen {
                if hashesInPass.insert(account.id.hashValue).inserted { countInPass += 1 }
                guard chosen.contains(account.id) else { continue }
            }
            let (index, isNew) = found.insert(account.id)
            if isNew { new.add(account.id) }
            if chosen == nil { countForPass(index) }
            if records != nil { listed.append((index, account.record)) }
        }
        if records?.add(page: listed) == false { records = nil }
        totals.insert(page.total)
        largestPage = max(largestPage, page.accounts.count)
        pages += 1
        pagesWithoutNew = countInPass > countBefore ? 0 : pagesWithoutNew + 1
        endPage(next: page.next)
        return new
    }

    /// Records that this pass has an account of `found`.
    private mutating func countForPass(_ index: Int) {
        let pass = UInt8(passes)
        if index == lastPasses.count {
            lastPasses.append(pass)
        } else if lastPasses[index] != pass {
            lastPasses[index] = pass
        } else {
            return
        }
        countInPass += 1
    }

    private mutating func endPage(next: String?) {
        if let chosen, found.count == chosen.count {
            complete()
            return
        }
        if let next {
            step = problem(of: next).map { .failed($0) } ?? .fetch(next)
            return
        }
        // A pass during which nothing changed is complete. Accounts that only earlier passes found may still exist, so
        // they are included.
        let isUnchanged = totals.count == 1 && totals.first == countInPass
        passes += 1
        if isUnchanged || found.count == previousCount {
            complete()
        } else {
            previousCount = found.count
            startPass(or: .changing(attempts: passes))
        }
    }

    private mutating func complete() {
        let order = found.accounts.order()
        step = .complete(found.accounts.list(in: order), records?.records(in: order))
    }

    /// Records that the source rejected a page token as expired. The accounts found so far count for the next pass.
    mutating func tokenExpired() {
        passes += 1
        startPass(or: .expiringTokens(attempts: passes))
    }

    private mutating func startPass(or problem: BillingFailure.AccountListProblem) {
        pages = 0
        totals = []
        tokens = []
        countInPass = 0
        hashesInPass = []
        pagesWithoutNew = 0
        step = passes < Self.passesMax ? .fetch(nil) : .failed(problem)
    }

    /// Why the next page must not be fetched; `nil` if it may be.
    private mutating func problem(of next: String) -> BillingFailure.AccountListProblem? {
        if !tokens.insert(next.hashValue).inserted { return .repeatedPage }
        if pagesWithoutNew >= Self.pagesWithoutNewMax { return .nothingNew(pages: pagesWithoutNew) }
        var limit = pagesMax
        let total = totals.compactMap { $0 }.max()
        if let total, largestPage > 0 {
            limit = min(max(total, 0) / largestPage, pagesMax) * Self.pagesPerFullPage + Self.extraPages
        }
        if pages >= min(limit, pagesMax) { return .tooManyPages(pages, accounts: total) }
        return nil
    }
}
