import Adapters
import Domain
import Synchronization

/// Pages of answers in memory: a line for each answer, with account, time and value.
final class FakePages: PersistentPages, PersistentDocuments {
    struct Answer: Equatable {
        /// When it was received, in milliseconds since 1970.
        let time: Int64
        let value: String
    }

    private struct State {
        var pages: [Int64: [String: Answer]] = [:]
        var usedAt: [Int64: Int64] = [:]

        /// The numbers of changed and removed pages, the earliest change first.
        var changes: [Int64] = []
        var uses: [Int64: Int64] = [:]
        var taken: [Int64] = []
        var restored: [Int64] = []
        var documents: [String: StoredDocument] = [:]

        /// The gaps with which the last document was restored; `nil` if none was.
        var gaps: [ClosedRange<Int64>]??
        var changedDocuments: Set<String> = []

        mutating func changed(_ number: Int64) {
            if !changes.contains(number) { changes.append(number) }
        }
    }

    private let state = Mutex(State())
    private let pagesMax: Int

    /// Fires with the number of pages at each call of `takeChanges`.
    let takes = Event<Int>()

    init(pagesMax: Int = .max) {
        self.pagesMax = pagesMax
    }

    // MARK: For tests

    var pages: [Int64: [String: Answer]] { state.withLock { $0.pages } }
    var documents: [String: StoredDocument] { state.withLock { $0.documents } }
    var gaps: [ClosedRange<Int64>]?? { state.withLock { $0.gaps } }

    /// The numbers of the pages that were taken to be written, in this order.
    var taken: [Int64] { state.withLock { $0.taken } }

    /// The numbers of the pages that were passed to `restore`, in this order.
    var restored: [Int64] { state.withLock { $0.restored } }

    func put(_ number: Int64, _ answers: [String: Answer], usedAt: Int64 = 0) {
        state.withLock { state in
            state.pages[number] = answers
            state.usedAt[number] = usedAt
            state.changed(number)
        }
    }

    func put(_ number: Int64, _ account: String, at time: Int64, _ value: String, usedAt: Int64 = 0) {
        put(number, [account: Answer(time: time, value: value)], usedAt: usedAt)
    }

    func use(_ number: Int64, at time: Int64) {
        state.withLock { $0.uses[number] = time }
    }

    func remove(_ number: Int64) {
        state.withLock { state in
            state.pages[number] = nil
            state.changed(number)
        }
    }

    func put(_ document: StoredDocument) {
        state.withLock { state in
            state.documents[document.name] = document
            state.changedDocuments.insert(document.name)
        }
    }

    // MARK: PersistentPages

    func takeChanges(limit: Int) -> PageChanges {
        let changes = state.withLock { state in
            let numbers = state.changes.prefix(limit)
            state.changes.removeFirst(numbers.count)
            state.taken += numbers
            var changes = PageChanges(changed: [], removed: [], remaining: state.changes.count)
            for number in numbers {
                guard let answers = state.pages[number], !answers.isEmpty else {
                    changes.removed.append(number)
                    continue
                }
                let times = answers.values.map(\.time)
                changes.changed.append(
                    StoredPage(
                        number: number, shelf: "shelf", content: Self.content(answers), answerCount: answers.count,
                        oldest: times.min() ?? 0, newest: times.max() ?? 0, usedAt: state.usedAt[number] ?? 0))
            }
            return changes
        }
        takes.fire(changes.changed.count)
        return changes
    }

    func returnChanges(_ changes: PageChanges) {
        state.withLock { state in
            for number in changes.changed.map(\.number) + changes.removed { state.changed(number) }
        }
    }

    func takeUses() -> [Int64: Int64] {
        state.withLock { state in
            defer { state.uses = [:] }
            return state.uses
        }
    }

    func beginRestoring() {}

    func endRestoring() {}

    func restore(_ page: StoredPage, rules: RestoreRules) -> RestoredPage {
        guard let answers = Self.answers(page.content) else { return .unreadable }
        return state.withLock { state in
            guard state.pages.count < pagesMax else { return .full }
            state.restored.append(page.number)
            let allowed = answers.filter { account, answer in
                guard let account = AccountID(account) else { return false }
                return rules.allow(account, receivedAt: answer.time)
            }
            let live = state.pages[page.number] ?? [:]
            let merged = allowed.merging(live) { $0.time > $1.time ? $0 : $1 }
            state.pages[page.number] = merged.isEmpty ? nil : merged
            state.usedAt[page.number] = page.usedAt
            if merged != answers { state.changed(page.number) }
            return .taken
        }
    }

    func purge(receivedBefore time: Int64) {
        state.withLock { state in
            for (number, answers) in state.pages {
                let left = answers.filter { $0.value.time >= time }
                guard left.count < answers.count else { continue }
                state.pages[number] = left.isEmpty ? nil : left
                state.changed(number)
            }
        }
    }

    func changeAll() {
        state.withLock { state in
            for number in state.pages.keys.sorted() { state.changed(number) }
        }
    }

    // MARK: PersistentDocuments

    func takeChangedDocuments() -> [StoredDocument] {
        state.withLock { state in
            defer { state.changedDocuments = [] }
            return state.changedDocuments.sorted().compactMap { state.documents[$0] }
        }
    }

    func returnDocuments(_ documents: [StoredDocument]) {
        state.withLock { $0.changedDocuments.formUnion(documents.map(\.name)) }
    }

    func restore(_ document: StoredDocument, gaps: [ClosedRange<Int64>]?) -> Bool {
        state.withLock { $0.gaps = .some(gaps) }
        guard !document.content.isEmpty else { return false }
        state.withLock { $0.documents[document.name] = document }
        return true
    }

    func changeAllDocuments() {
        state.withLock { $0.changedDocuments.formUnion($0.documents.keys) }
    }

    // MARK: Content

    private static func content(_ answers: [String: Answer]) -> [UInt8] {
        Array(
            answers.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.time) \($0.value.value)\n" }.joined().utf8)
    }

    private static func answers(_ content: [UInt8]) -> [String: Answer]? {
        var answers: [String: Answer] = [:]
        for line in String(decoding: content, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 2)
            guard words.count == 3, let time = Int64(words[1]) else { return nil }
            answers[String(words[0])] = Answer(time: time, value: String(words[2]))
        }
        return answers
    }
}
