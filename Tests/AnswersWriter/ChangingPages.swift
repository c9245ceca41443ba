import Adapters
import Domain
import Synchronization

/// Pages whose content is the number of their last change, over and over.
///
/// The change `n` concerns the page `n * 2654435761 % 61 + 1`, and removes it if `n` is a multiple of 7.
final class ChangingPages: PersistentPages {
    private struct State {
        var pages: [Int64: Int64] = [:]

        /// The last change of each page that is not written.
        var unwritten: [Int64: Int64] = [:]
        var newest: Int64 = 0
    }

    private let state = Mutex(State())

    /// The newest change, and the number of pages.
    var restored: (newest: Int64, pages: Int) { state.withLock { ($0.newest, $0.pages.count) } }

    /// All changes up to this one are written.
    var written: Int64 { state.withLock { state in (state.unwritten.values.min() ?? state.newest + 1) - 1 } }

    func change() {
        state.withLock { state in
            state.newest += 1
            let number = state.newest * 2_654_435_761 % 61 + 1
            state.pages[number] = state.newest.isMultiple(of: 7) ? nil : state.newest
            // The time of the earliest change counts: it is not written before the page is.
            if state.unwritten[number] == nil { state.unwritten[number] = state.newest }
        }
    }

    func takeChanges(limit: Int) -> PageChanges {
        state.withLock { state in
            let numbers = state.unwritten.sorted { $0.value < $1.value }.prefix(limit).map(\.key)
            var changes = PageChanges(changed: [], removed: [], remaining: 0)
            for number in numbers {
                state.unwritten[number] = nil
                guard let change = state.pages[number] else {
                    changes.removed.append(number)
                    continue
                }
                let text = Array("\(change) ".utf8)
                let content = (0..<20_000 / text.count).flatMap { _ in text }
                changes.changed.append(
                    StoredPage(
                        number: number, shelf: "shelf", content: content, answerCount: 1, oldest: .max / 2,
                        newest: .max / 2, usedAt: change))
            }
            changes.remaining = state.unwritten.count
            return changes
        }
    }

    func returnChanges(_ changes: PageChanges) {
        state.withLock { state in
            // Nothing is written that was changed since this page was restored.
            for number in changes.changed.map(\.number) + changes.removed { state.unwritten[number] = 1 }
        }
    }

    func takeUses() -> [Int64: Int64] { [:] }

    func beginRestoring() {}

    func endRestoring() {}

    func restore(_ page: StoredPage, rules: RestoreRules) -> RestoredPage {
        let words = String(decoding: page.content, as: UTF8.self).split(separator: " ")
        guard let first = words.first, let change = Int64(first), words.allSatisfy({ $0 == first }) else {
            return .unreadable
        }
        state.withLock { state in
            state.pages[page.number] = change
            state.newest = max(state.newest, change)
        }
        return .taken
    }

    func purge(receivedBefore time: Int64) {}

    func changeAll() {
        state.withLock { state in
            for number in state.pages.keys { state.unwritten[number] = 1 }
        }
    }
}
