import Synchronization

/// Where the accounts of an export come from, one after another. For one reader.
package protocol AccountFeed: Sendable {
    /// How many there will be, if that is known.
    var count: Int? { get }

    /// The next one, without waiting for it.
    func next() -> FeedStep

    /// Returns when `next` has something else to say than `notYet`.
    func fill() async
}

package enum FeedStep: Sendable, Equatable {
    case account(AccountID)
    /// Whoever has made it did not mean an account: which line it is, and what is wrong with it.
    case malformed(line: Int, String)
    case notYet
    case end
    /// There were more, and they will not come.
    case broken(BillingFailure)
}

/// The accounts of a list, from a place on.
final class ListFeed: AccountFeed {
    private let list: AccountList
    private let end: Int
    private let place: Mutex<Int>

    /// How many of the list are behind the last of them.
    let behind: Int

    let count: Int?

    init(_ list: AccountList, after: AccountID?, limit: Int?) {
        self.list = list
        let start = after.map { list.index(after: $0) } ?? 0
        end = limit.map { min(start + $0, list.count) } ?? list.count
        behind = list.count - end
        count = end - start
        place = Mutex(start)
    }

    func next() -> FeedStep {
        let index = place.withLock { place in
            defer { place += 1 }
            return place
        }
        return index < end ? .account(list[index]) : .end
    }

    func fill() async {}
}
