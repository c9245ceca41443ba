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

    /// Entries beyond twice the number of distinct accounts after which duplicates are removed, to bound the memory.
    private static let duplicatesMax = 65_536

    private let pagesMax: Int

    /// The chosen accounts; `nil` for all accounts.
    private let chosen: AllowList?

    /// The indices in `chosen` of the accounts that were found.
    private var foundChosen: Set<Int> = []
    private var found = AccountList.Builder()

    /// The records of `found`; `nil` once they exceed their limit.
    private var records: AccountRecords.Builder?
    private var pass = AccountList.Builder()
    private var pages = 0
    private var passes = 0

    /// Hash values of the page tokens and accounts of this pass. Two of 10 million collide with a probability of 1 in
    /// 300,000. A collision only counts a new account as known.
    private var tokens: Set<Int> = []
    private var known: Set<Int> = []
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

    mutating func add(_ page: SubAccountPage) {
        var hasNewAccount = false
        var listed: [SourceDocument] = []
        for account in page.accounts {
            if known.insert(account.id.hashValue).inserted { hasNewAccount = true }
            if let chosen {
                guard let index = chosen.accounts.index(of: account.id) else { continue }
                foundChosen.insert(index)
            }
            found.add(account.id)
            pass.add(account.id)
            if records != nil { listed.append(account.record) }
        }
        records?.add(page: listed)
        if pass.count > 2 * known.count + Self.duplicatesMax || records?.isDueForCompaction ?? false {
            pass.keep(pass.order())
            keep(found.order())
        }
        totals.insert(page.total)
        largestPage = max(largestPage, page.accounts.count)
        pages += 1
        pagesWithoutNew = hasNewAccount ? 0 : pagesWithoutNew + 1
        if let chosen, foundChosen.count == chosen.count {
            complete(in: found.order())
            return
        }
        if let next = page.next {
            step = problem(of: next).map { .failed($0) } ?? .fetch(next)
            return
        }
        // A pass during which nothing changed is complete. Accounts that only earlier passes found may still exist, so
        // they are included.
        let order = found.order()
        let passCount = chosen != nil ? known.count : passes == 0 ? order.count : pass.order().count
        let isUnchanged = totals.count == 1 && totals.first == passCount
        passes += 1
        if isUnchanged || order.count == previousCount {
            complete(in: order)
        } else {
            previousCount = order.count
            keep(order)
            startPass(or: .changing(attempts: passes))
        }
    }

    private mutating func keep(_ order: [UInt32]) {
        found.keep(order)
        if records?.compact(to: order) == false { records = nil }
    }

    private mutating func complete(in order: [UInt32]) {
        step = .complete(found.list(in: order), records?.records(in: order))
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
        known = []
        pagesWithoutNew = 0
        pass = AccountList.Builder()
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
