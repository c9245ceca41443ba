package import Domain

/// The pages of the cache, as the answers file stores them.
package struct CachedPages: PersistentPages {
    private let pages: AnswerPages
    private let time: any TimeSource

    package init(_ pages: AnswerPages, time: any TimeSource) {
        self.pages = pages
        self.time = time
    }

    private var seconds: Int64 { time.millisecondsSinceEpoch / 1000 }

    package func takeChanges(limit: Int) -> PageChanges {
        let changes = pages.takeChanges(limit: limit, CivilClock(time))
        let now = seconds
        return PageChanges(
            changed: changes.changed.map { StoredPage($0, usedAt: now) }, removed: changes.removed,
            remaining: changes.remaining)
    }

    package func returnChanges(_ changes: PageChanges) {
        pages.returnChanges(changed: changes.changed.map(\.number), removed: changes.removed)
    }

    package func takeUses() -> [Int64: Int64] {
        let now = seconds
        return Dictionary(uniqueKeysWithValues: pages.takeUses().map { ($0, now) })
    }

    package func beginRestoring() { pages.beginRestoring() }

    package func endRestoring() { pages.endRestoring() }

    package func restore(_ page: StoredPage, rules: RestoreRules) -> RestoredPage {
        guard pages.hasRoom else { return .full }
        guard let image = PageImage(page),
            pages.restore(image, CivilClock(time), isPermitted: { rules.allow($0, receivedAt: $1) })
        else { return .unreadable }
        return .taken
    }

    package func purge(receivedBefore time: Int64) {
        pages.removeAll(receivedBefore: CivilClock(self.time).moment(time))
    }

    package func changeAll() { pages.changeAll() }
}

extension StoredPage {
    fileprivate init(_ page: ChangedPage, usedAt: Int64) {
        let image = page.image
        let period = image.period.map { "\($0.from)/\($0.to)" } ?? "/"
        self.init(
            number: image.number, shelf: "\(image.operation.storedName)/\(period)/\(image.master?.rawValue ?? "")",
            content: image.bytes, answerCount: page.answerCount, oldest: page.received.lowerBound,
            newest: page.received.upperBound, usedAt: usedAt)
    }
}

extension PageImage {
    /// `nil` if this version does not know the shelf.
    fileprivate init?(_ page: StoredPage) {
        let parts = page.shelf.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false).map { String($0) }
        guard parts.count == 4, let operation = Domain.Operation(storedName: parts[0]) else { return nil }
        var period: InvoicePeriod?
        if !parts[1].isEmpty {
            guard let from = CalendarDate(parts[1]), let to = CalendarDate(parts[2]) else { return nil }
            guard let known = InvoicePeriod(from: from, to: to) else { return nil }
            period = known
        }
        var master: Name?
        if !parts[3].isEmpty {
            guard let name = Name(parts[3]) else { return nil }
            master = name
        }
        self.init(number: page.number, operation: operation, period: period, master: master, bytes: page.content)
    }
}
