/// How all accounts are found in a list that is given out in pages, in no order, while accounts come and go.
///
/// Whatever a page names counts, however often. Pages are cut anew when something comes or goes, so that an account may slip
/// between two of them though it was there all the time. Nothing slips in a walk in which nothing moved: every page says that
/// there are as many as were found in it. Without such a walk it takes one that has found nothing new: what was there
/// throughout would have had to slip in that one as well as in those before.
///
/// A list that does not end is given up: at a page token that was given before, after pages that bring nothing new, or at
/// more pages than its accounts can fill.
struct AccountWalk: Sendable {
    enum Step: Sendable, Equatable {
        /// The page with that token; the first one without.
        case ask(String?)
        case found(AccountList)
        case fails(BillingFailure.AccountListProblem)
    }

    /// Where the source says how many accounts there are: so many times the pages that they fill, and so many besides, since
    /// accounts come while the list is read and pages need not be full.
    private static let pagesPerFullPage = 10
    private static let pagesBesides = 100

    /// Pages in a row that bring no account which was not on an earlier one. One may, when accounts move between pages.
    private static let pagesWithoutNewMax = 20
    private static let walksMax = 5

    /// Entries beyond twice the different accounts, after which the repeated ones are dropped.
    private static let repeatedMax = 65_536

    private let pagesMax: Int
    private var found = AccountList.Builder()
    private var walk = AccountList.Builder()
    private var pages = 0
    private var walks = 0

    /// Hash values of this walk's page tokens and accounts. Two of 10 million are the same with a chance of 1 in 300,000,
    /// which would only count a new account as known.
    private var tokens: Set<Int> = []
    private var known: Set<Int> = []
    private var pagesWithoutNew = 0
    private var largestPage = 0

    /// How many there are as the pages of this walk say it; empty for those that do not.
    private var totals: Set<Int?> = []

    /// How many had been found by the end of the walk before.
    private var lastCount: Int?

    private(set) var step = Step.ask(nil)

    /// - Parameter pagesMax: The longest list.
    init(pagesMax: Int) {
        self.pagesMax = pagesMax
    }

    mutating func took(_ page: SubAccountPage) {
        var hasNew = false
        for account in page.accounts {
            found.add(account)
            walk.add(account)
            if known.insert(account.hashValue).inserted { hasNew = true }
        }
        if walk.count > 2 * known.count + Self.repeatedMax {
            walk.removeRepeated()
            found.removeRepeated()
        }
        totals.insert(page.total)
        largestPage = max(largestPage, page.accounts.count)
        pages += 1
        pagesWithoutNew = hasNew ? 0 : pagesWithoutNew + 1
        if let next = page.next {
            step = problem(of: next).map { .fails($0) } ?? .ask(next)
            return
        }
        // One that was still has all there is, and what an earlier one has found besides may have gone or not.
        let isFirst = walks == 0
        let ofWalk = walk.list()
        let list = isFirst ? ofWalk : found.list()
        let isStill = totals.count == 1 && totals.first == ofWalk.count
        walks += 1
        if isStill || list.count == lastCount {
            step = .found(list)
        } else {
            lastCount = list.count
            begin(or: .changing(attempts: walks))
        }
    }

    /// The page could not be had because its token is too old: what was found so far is kept.
    mutating func tokenExpired() {
        walks += 1
        begin(or: .expiringTokens(attempts: walks))
    }

    private mutating func begin(or problem: BillingFailure.AccountListProblem) {
        pages = 0
        totals = []
        tokens = []
        known = []
        pagesWithoutNew = 0
        walk = AccountList.Builder()
        step = walks < Self.walksMax ? .ask(nil) : .fails(problem)
    }

    /// Why the page after this one is not to be asked for.
    private mutating func problem(of next: String) -> BillingFailure.AccountListProblem? {
        if !tokens.insert(next.hashValue).inserted { return .repeatedPage }
        if pagesWithoutNew >= Self.pagesWithoutNewMax { return .nothingNew(pages: pagesWithoutNew) }
        var limit = pagesMax
        let total = totals.compactMap { $0 }.max()
        if let total, largestPage > 0 {
            limit = min(max(total, 0) / largestPage, pagesMax) * Self.pagesPerFullPage + Self.pagesBesides
        }
        if pages >= min(limit, pagesMax) { return .tooManyPages(pages, accounts: total) }
        return nil
    }
}
