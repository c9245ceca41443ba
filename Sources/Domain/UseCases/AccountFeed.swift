import Synchronization

/// The accounts of an export, read one after another by a single reader.
package protocol AccountFeed: Sendable {
    /// The number of accounts, if known in advance.
    var count: Int? { get }

    /// Reads the next account without waiting.
    func next() -> FeedStep

    /// Waits until more input has arrived after `next` returned `notYet`.
    func fill() async
}

package enum FeedStep: Sendable, Equatable {
    case account(AccountID)
    /// A line of the input names no account: the line number, and what is wrong with it.
    case malformed(line: Int, String)
    case notYet
    case end
    /// The input failed before its end.
    case broken(BillingFailure)
}

/// The accounts of a list, from a start position on.
final class ListFeed: AccountFeed {
    private let list: AccountList
    private let end: Int
    private let place: Mutex<Int>

    /// The number of accounts of the list after the last one of this feed.
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
