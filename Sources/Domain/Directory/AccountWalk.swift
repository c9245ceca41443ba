/// How all accounts are found in a list that is given out in pages, in no order, while accounts come and go.
///
/// Whatever a page names counts, however often. Pages are cut anew when something comes or goes, so that an account may slip
/// between two of them though it was there all the time. Nothing slips in a walk in which nothing moved: every page says that
/// there are as many as were found in it. Without such a walk it takes one that has found nothing new: what was there
/// throughout would have had to slip in that one as well as in those before.
struct AccountWalk: Sendable {
    enum Step: Sendable, Equatable {
        /// The page with that token; the first one without.
        case ask(String?)
        case found(AccountList)
        /// The list is another each time.
        case givesUp
    }

    /// Ten million accounts; a list that is longer does not end.
    private static let pagesMax = 33_334
    private static let walksMax = 5

    private var found = AccountList.Builder()
    private var walk = AccountList.Builder()
    private var pages = 0
    private var walks = 0

    /// How many there are as the pages of this walk say it; empty for those that do not.
    private var totals: Set<Int?> = []

    /// How many had been found by the end of the walk before.
    private var lastCount: Int?

    private(set) var step = Step.ask(nil)

    mutating func took(_ page: SubAccountPage) {
        for account in page.accounts {
            found.add(account)
            walk.add(account)
        }
        totals.insert(page.total)
        pages += 1
        guard pages < Self.pagesMax else {
            step = .givesUp
            return
        }
        if let next = page.next {
            step = .ask(next)
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
            begin()
        }
    }

    /// The page could not be had because its token is too old: what was found so far is kept.
    mutating func tokenExpired() {
        walks += 1
        begin()
    }

    private mutating func begin() {
        pages = 0
        totals = []
        walk = AccountList.Builder()
        step = walks < Self.walksMax ? .ask(nil) : .givesUp
    }
}
