import Synchronization

/// Which numbers have an account: the first ones from the start, then those of the accounts that were created, without those
/// that were disassociated.
final class SandboxMembership: Sendable {
    /// What the creation of an account sets. Everything else is computed from its number.
    struct Created: Sendable {
        let name: String
        let ownerEmail: String
        let day: SandboxDate
    }

    private struct Content {
        /// All accounts have lower numbers.
        var end: Int

        /// The numbers below `end` without an account, ascending.
        var missing: [Int] = []
        var created: [Int: Created] = [:]
    }

    private let content: Mutex<Content>

    init(count: Int) {
        content = Mutex(Content(end: count))
    }

    var count: Int { content.withLock { $0.end - $0.missing.count } }

    /// All accounts have lower numbers.
    var end: Int { content.withLock { $0.end } }

    func contains(_ number: Int) -> Bool {
        content.withLock { content in
            guard number < content.end else { return false }
            let index = content.missing.partitioningIndex { $0 >= number }
            return index == content.missing.count || content.missing[index] != number
        }
    }

    /// `nil` for an account from the start.
    func created(_ number: Int) -> Created? { content.withLock { $0.created[number] } }

    /// The numbers without an account that are `first` plus a multiple of `step`, ascending; and the end of all numbers.
    func missing(first: Int, step: Int) -> (numbers: [Int], end: Int) {
        content.withLock { content in
            (content.missing.filter { $0 >= first && ($0 - first).isMultiple(of: step) }, content.end)
        }
    }

    /// Adds an account with the next number that is suitable.
    ///
    /// - Returns: `nil` if an account with this email was created before, or if all numbers are used.
    func add(_ account: Created, limit: Int, where isSuitable: (Int) -> Bool) -> Int? {
        content.withLock { content in
            guard !content.created.values.contains(where: { $0.ownerEmail == account.ownerEmail }),
                let number = (content.end..<limit).first(where: isSuitable)
            else { return nil }
            content.missing += content.end..<number
            content.end = number + 1
            content.created[number] = account
            return number
        }
    }

    func remove(_ number: Int) {
        content.withLock { content in
            let index = content.missing.partitioningIndex { $0 >= number }
            guard number < content.end, index == content.missing.count || content.missing[index] != number else {
                return
            }
            content.missing.insert(number, at: index)
            content.created[number] = nil
        }
    }
}

extension Array {
    /// The first index whose element matches; `count` if none does. The elements that match follow the others.
    fileprivate func partitioningIndex(where matches: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if matches(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
