import Synchronization

/// The accounts of an export, read one after another by a single reader.
package protocol AccountFeed: Sendable {
    /// The number of accounts, once it is known.
    var count: Int? { get }

    /// The number of accounts beyond the limit of the export, if it is known. It is known at the end of the feed.
    var remaining: Int { get }

    /// The input that `waitForMore` waits for.
    var awaited: ExportBilling.Wait { get }

    /// Reads the next account without waiting.
    func next() -> AccountFeedItem

    /// The next accounts, if they are a part of a list that is known; `nil` if `next` has to be called.
    var upcoming: AccountListPart? { get }

    /// Passes over the first accounts of `upcoming`.
    func skip(_ count: Int)

    /// Waits until more input has arrived after `next` returned `pending`.
    func waitForMore() async
}

extension AccountFeed {
    package var remaining: Int { 0 }
    package var awaited: ExportBilling.Wait { .input }
    package var upcoming: AccountListPart? { nil }

    package func skip(_ count: Int) {}
}

/// Consecutive accounts of a list.
package struct AccountListPart: Sendable {
    package let list: AccountList

    /// The index of the first account.
    package let start: Int

    /// The index after the last account, above `start`.
    package var end: Int

    package init(list: AccountList, start: Int, end: Int) {
        self.list = list
        self.start = start
        self.end = end
    }
}

package enum AccountFeedItem: Sendable, Equatable {
    case account(AccountID)
    /// A line of the input names no account: the line number and the error.
    case malformed(line: Int, String)
    case pending
    case end
    /// The input failed before its end.
    case failed(BillingFailure)
}

/// The accounts of a list, from a start position on.
final class AccountListFeed: AccountFeed {
    private let list: AccountList
    private let end: Int
    private let position: Mutex<Int>

    let remaining: Int

    let count: Int?

    init(_ list: AccountList, after: AccountID?, limit: Int?) {
        self.list = list
        let start = after.map { list.index(after: $0) } ?? 0
        end = limit.map { min(start + $0, list.count) } ?? list.count
        remaining = list.count - end
        count = end - start
        position = Mutex(start)
    }

    func next() -> AccountFeedItem {
        let index = position.withLock { position in
            defer { position += 1 }
            return position
        }
        return index < end ? .account(list[index]) : .end
    }

    var upcoming: AccountListPart? {
        let start = position.withLock { $0 }
        return start < end ? AccountListPart(list: list, start: start, end: end) : nil
    }

    func skip(_ count: Int) { position.withLock { $0 += count } }

    func waitForMore() async {}
}
