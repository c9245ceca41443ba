import Domain

/// Runs random operations on `AnswerPages` and on a plain array side by side, and compares the results.
///
/// The model knows each stored answer, when its content was first received, and which answers may be served. It does not know
/// which ones a sweep removes: it learns that from a lookup, and compares the number of removed answers.
package struct PagesModel {
    package struct Settings: Sendable {
        /// The number of accounts. There are seven reads of each.
        package var accounts = 300

        /// The limit of memory; `nil` for one that is not reached.
        package var bytesMax: Int?

        package init(accounts: Int = 300, bytesMax: Int? = nil) {
            self.accounts = accounts
            self.bytesMax = bytesMax
        }
    }

    /// The pages and the model differ.
    package struct Difference: Error, CustomStringConvertible {
        package let description: String
    }

    /// What the operations have done, so that a test can tell that they reached all parts.
    package struct Summary: Sendable {
        package var operations = 0
        package var stored = 0
        package var refused = 0
        package var removed = 0
        package var runs = 0
        package var lines = 0
        package var evicted = 0
        package var pages = 0
    }

    private let settings: Settings
    private let seed: UInt64
    private let reads: ModelledReads
    private let pages: AnswerPages
    private let clock = TestClock()
    private var random: SeededRandom

    /// By the index of the read.
    private var known: [ModelledAnswer?]
    private var storedCount = 0
    private var serial = 0

    /// The evicted answers of which the model knows.
    private var evictedKnown = 0

    /// Reads whose answers are used after they were stored, and after each step of the sweep.
    private var hot: [Int] = []

    /// The steps of the sweep when the hot answers were used.
    private var sweeps = -1

    /// The pages outside of the process.
    private var images: [Int64: PageImage] = [:]
    private var rules = CacheRules()
    private var summary = Summary()

    package init(_ settings: Settings, seed: UInt64) {
        self.settings = settings
        self.seed = seed
        random = SeededRandom(seed: seed)
        reads = ModelledReads(accounts: settings.accounts, using: &random)
        pages = AnswerPages(bytesMax: settings.bytesMax ?? 1 << 40, recordsChanges: true)
        known = Array(repeating: nil, count: reads.count)
        hot = [3, settings.accounts * 3 + 7]
        rules.staleWhileRevalidate = .seconds(40)
    }

    /// - Throws: `Difference`, with the seed and the number of the operation.
    package mutating func run(operations: Int) throws -> Summary {
        for _ in 0..<operations { try step() }
        try inspect()
        try compareImages()
        summary.evicted = pages.evicted
        return summary
    }

    private func fail(_ what: String) -> Difference {
        Difference(description: "seed \(seed), operation \(summary.operations): \(what)")
    }

    private mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }

    private var now: Int64 {
        let (seconds, attoseconds) = clock.now.sinceOrigin.components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    // MARK: Operations

    private mutating func step() throws {
        summary.operations += 1
        let index = Int.random(in: 0..<reads.count, using: &random)
        switch Int.random(in: 0..<1000, using: &random) {
        case 0..<400: try put(index)
        case 400..<600: try lookUp(index, isUse: chance(2))
        case 600..<800: try stream(index)
        case 800..<860: try remove(reads.reads[index])
        case 860..<990: clock.advance(by: .milliseconds(Int64.random(in: 0...600, using: &random)))
        case 990..<997: try store()
        default: try seldom()
        }
        if pages.count != storedCount - (pages.evicted - evictedKnown) {
            throw fail("\(pages.count) answers instead of \(storedCount) without \(pages.evicted - evictedKnown)")
        }
    }

    private mutating func seldom() throws {
        switch Int.random(in: 0..<60, using: &random) {
        case 0:
            for index in known.indices { try lookUp(index, isUse: false) }
            pages.removeAll()
            known = Array(repeating: nil, count: reads.count)
            storedCount = 0
        case 1..<4:
            for index in known.indices { try lookUp(index, isUse: false) }
            let moment = now - Int64.random(in: 0...400_000, using: &random)
            pages.removeAll(receivedBefore: Moment(sinceOrigin: .milliseconds(moment)))
            for index in known.indices {
                guard let answer = known[index], answer.receivedAt < moment else { continue }
                if answer.isStored { storedCount -= 1 }
                known[index] = nil
            }
        case 4..<6: try compareImages()
        case 6..<20: try inspect()
        default: try walk(reads.shelves[Int.random(in: 0..<reads.shelves.count - 1, using: &random)])
        }
    }

    private mutating func inspect() throws {
        let inspection = pages.inspect()
        if let problem = inspection.problems.first { throw fail(problem) }
        summary.pages = max(summary.pages, inspection.pages)
    }

    private mutating func put(_ index: Int) throws {
        // So that the model knows whether the answer was evicted.
        try lookUp(index, isUse: false)
        serial += 1
        let read = reads.reads[index]
        let time = clock.millisecondsSinceEpoch
        let age = chance(4) ? Int64.random(in: 0...60_000, using: &random) : 0
        var answer = ModelledAnswer(
            to: read, serial: serial, receivedAt: now - age, firstSeen: time, using: &random)
        guard
            let new = NewAnswer(
                answer.encoded, failure: answer.failure,
                receivedAt: Moment(sinceOrigin: .milliseconds(answer.receivedAt)),
                lifetime: .milliseconds(answer.lifetime))
        else { throw fail("the answer is not cacheable") }
        let isPermitted = !chance(30)
        try useHot()
        let firstSeen = pages.put(new, to: read, under: reads.shelf(of: index).master, now: time) { isPermitted }
        try checkSweep()
        let old = known[index]
        if !isPermitted || old.map({ $0.isStored && $0.receivedAt > answer.receivedAt }) == true {
            summary.refused += 1
            if firstSeen != nil { throw fail("an older answer was stored") }
            return
        }
        guard let firstSeen else { throw fail("a newer answer was refused") }
        let isSame = old.map { $0.hasContent(of: answer) } ?? false
        if let old { answer.firstSeen = isSame ? old.firstSeen : max(time, old.firstSeen + 1) }
        if firstSeen != answer.firstSeen {
            // A sweep may have removed the entry of an answer that was removed before.
            guard settings.bytesMax != nil, old?.isStored == false, firstSeen == time else {
                throw fail("first seen at \(firstSeen) instead of \(answer.firstSeen)")
            }
            answer.firstSeen = firstSeen
        }
        if old?.isStored != true { storedCount += 1 }
        known[index] = answer
        if hot.contains(index) { sweeps = -1 }
        summary.stored += 1
        if let bytesMax = settings.bytesMax, pages.bytes > bytesMax { throw fail("\(pages.bytes) B of \(bytesMax)") }
    }

    /// Marks the hot answers as used, if that is due.
    private mutating func useHot() throws {
        guard settings.bytesMax != nil, pages.sweeps != sweeps else { return }
        for index in hot { try lookUp(index, isUse: true) }
        sweeps = pages.sweeps
    }

    /// The hot answers must be there, unless a single change has needed more than one step of the sweep.
    private mutating func checkSweep() throws {
        guard settings.bytesMax != nil, pages.sweeps - sweeps <= 1 else { return }
        for index in hot where known[index]?.isStored == true {
            let read = reads.reads[index]
            if pages.answer(to: read, under: reads.shelf(of: index).master, isUse: false) == nil {
                throw fail("an answer in use was evicted")
            }
        }
    }

    private mutating func lookUp(_ index: Int, isUse: Bool) throws {
        let found = pages.answer(to: reads.reads[index], under: reads.shelf(of: index).master, isUse: isUse)
        guard let found else {
            if known[index]?.isStored == true { try forget(index) }
            return
        }
        guard let answer = known[index], answer.isStored else { throw fail("an answer that was not stored") }
        if !answer.isEqual(to: found.answer) { throw fail("another answer to \(reads.reads[index])") }
    }

    /// Records that an answer is not there.
    private mutating func forget(_ index: Int) throws {
        evictedKnown += 1
        storedCount -= 1
        known[index] = nil
        if evictedKnown > pages.evicted { throw fail("no answer to \(reads.reads[index]), but none was evicted") }
    }

    private mutating func remove(_ read: AccountRead) throws {
        // Nothing removes single invoices.
        guard read.operation != .getInvoiceDetails, let position = position(of: read.account) else { return }
        for shelf in reads.shelves where shelf.kind?.operation == read.operation {
            let index = shelf.first + position
            try lookUp(index, isUse: false)
            if known[index]?.isStored == true {
                known[index]?.isStored = false
                storedCount -= 1
                summary.removed += 1
            }
        }
        pages.remove(read.operation, of: read.account)
    }

    private func position(of account: AccountID) -> Int? {
        let next = reads.accounts.index(after: account)
        return next > 0 && reads.accounts[next - 1] == account ? next - 1 : nil
    }

    // MARK: Streams

    private mutating func randomDirectives() -> CacheDirectives {
        var directives = CacheDirectives()
        func duration(_ random: inout SeededRandom) -> Duration {
            .milliseconds(Int64.random(in: 0...150_000, using: &random))
        }
        switch Int.random(in: 0..<8, using: &random) {
        case 0: directives.maxAge = duration(&random)
        case 1: directives.minFresh = duration(&random)
        case 2: directives.maxStale = duration(&random)
        case 3:
            directives.maxAge = duration(&random)
            directives.maxStale = .seconds(100_000)
        case 4: directives.noCache = chance(4)
        default: break
        }
        return directives
    }

    private mutating func randomFilter() -> ChangeFilter {
        let added = (0..<Int.random(in: 0...2, using: &random)).map { _ in
            reads.accounts[Int.random(in: 0..<reads.accounts.count, using: &random)]
        }
        return ChangeFilter(
            since: clock.millisecondsSinceEpoch - Int64.random(in: 0...100_000, using: &random),
            added: AccountList(added))
    }

    /// A run over a part of a list, from a random account on.
    private mutating func stream(_ index: Int) throws {
        let shelf = reads.shelf(of: index)
        guard let kind = shelf.kind else { return try lookUp(index, isUse: true) }
        let directives = randomDirectives()
        let canRevalidate = chance(2)
        let position = index - shelf.first
        let list: AccountList
        if chance(3) {
            // A list without some accounts.
            let step = Int.random(in: 1...3, using: &random)
            let end = min(position + Int.random(in: 1...100, using: &random), reads.accounts.count)
            list = AccountList(stride(from: position, to: end, by: step).map { reads.accounts[$0] })
            _ = try run(of: kind, shelf, list, 0..<list.count, directives, canRevalidate: canRevalidate)
        } else {
            list = reads.accounts
            let end = chance(2) ? list.count : Int.random(in: position + 1...list.count, using: &random)
            _ = try run(of: kind, shelf, list, position..<end, directives, canRevalidate: canRevalidate)
        }
    }

    /// All runs of a kind. Between two of them there is an account without an answer, or the end of a page.
    private mutating func walk(_ shelf: ModelledReads.Shelf) throws {
        guard let kind = shelf.kind else { return }
        var directives = CacheDirectives()
        directives.maxStale = .seconds(1_000_000)
        var (position, pageEnds) = (0, 0)
        while position < reads.accounts.count {
            let end = try run(
                of: kind, shelf, reads.accounts, position..<reads.accounts.count, directives, canRevalidate: true,
                isFiltered: false)
            if let end, end < reads.accounts.count {
                try lookUp(shelf.first + end, isUse: false)
                if known[shelf.first + end]?.isStored == true { pageEnds += 1 }
            }
            position = end ?? position + 1
        }
        let pageCount = pages.inspect().pages
        if pageEnds > pageCount { throw fail("\(pageEnds) runs ended at the end of \(pageCount) pages") }
    }

    /// Compares one run with the model.
    ///
    /// - Returns: The place in the list after the run; `nil` if there is none.
    private mutating func run(
        of kind: ExportKind, _ shelf: ModelledReads.Shelf, _ list: AccountList, _ range: Range<Int>,
        _ directives: CacheDirectives, canRevalidate: Bool, isFiltered: Bool = true
    ) throws -> Int? {
        let moment = clock.now
        let ages = ServableAges(directives, rules, canRevalidate: canRevalidate, at: moment)
        let calls = Int.random(in: 0..<4, using: &random)
        var asked: [AccountID] = []
        let filter = isFiltered && chance(4) ? randomFilter() : nil
        let found = pages.run(of: kind, under: shelf.master, in: list, range, ages, filter: filter) { account in
            asked.append(account)
            return asked.count < calls
        }
        summary.runs += 1

        /// Whether the answer may be served, and whether it is stale; `nil` if there is none.
        func use(_ place: Int) throws -> (index: Int, isServed: Bool, isStale: Bool)? {
            guard let position = position(of: list[place]) else { throw fail("no such account") }
            let index = shelf.first + position
            guard let answer = known[index], answer.isStored else { return nil }
            let age = moment - Moment(sinceOrigin: .milliseconds(answer.receivedAt))
            switch Freshness(age: age, lifetime: .milliseconds(answer.lifetime), rules: rules, directives: directives) {
            case .fresh, .refreshAhead: return (index, true, false)
            case .stale: return (index, directives.maxStale != nil || canRevalidate, true)
            case .staleIfError, .expired: return (index, false, true)
            }
        }

        guard let (answers, stale) = found else {
            if let first = try use(range.lowerBound), first.isServed { try lookUp(first.index, isUse: false) }
            if let first = try use(range.lowerBound), first.isServed { throw fail("no run from a cached answer") }
            return nil
        }
        let count = answers.count
        guard count > 0, count <= range.count else { throw fail("a run of \(count) of \(range.count)") }
        var lines: AnswerRun?
        if case .answers(let run) = answers { lines = run }
        if lines == nil, filter == nil { throw fail("answers that a filter has not selected, without a filter") }
        var (text, failures, staleAccounts): ([UInt8], [Int], [AccountID]) = ([], [], [])
        for place in 0..<count {
            let account = list[range.lowerBound + place]
            guard let (index, isServed, isStale) = try use(range.lowerBound + place), let answer = known[index] else {
                throw fail("a line of \(account), which has no answer")
            }
            if !isServed { throw fail("a line of \(account), which the directives do not permit") }
            if isStale { staleAccounts.append(account) }
            if answer.failure != nil { failures.append(place) }
            if let filter {
                let isSelected = answer.firstSeen >= filter.since || filter.added.contains(account)
                if isSelected != (lines != nil) { throw fail("a line of \(account) with another choice of the filter") }
            }
            guard let line = lines?[place] else { continue }
            text += answer.encoded.text
            guard line.account == account, line.failure == answer.failure, line.text.elementsEqual(answer.encoded.text),
                line.body.elementsEqual(answer.encoded.text[answer.encoded.body])
            else { throw fail("a line of \(account) with another answer") }
        }
        summary.lines += count
        if let lines {
            if !lines.text.elementsEqual(text) { throw fail("another text than those of its lines") }
            if lines.failureCount != failures.count || lines.failures != failures { throw fail("other failures") }
        }
        if stale != staleAccounts.count { throw fail("\(stale) stale instead of \(staleAccounts.count)") }
        if asked != Array(staleAccounts.prefix(max(calls, 1))) { throw fail("asked about other accounts") }
        return range.lowerBound + count
    }

    // MARK: Storage outside of the process

    /// Stores some changed pages outside of the process, or fails to.
    private mutating func store() throws {
        let changes = pages.takeChanges(limit: Int.random(in: 1...20, using: &random), CivilClock(clock))
        if chance(5) {
            pages.returnChanges(changed: changes.changed.map(\.image.number), removed: changes.removed)
        } else {
            apply(changes)
        }
    }

    private mutating func apply(_ changes: AnswerPages.Changes) {
        for page in changes.changed { images[page.image.number] = page.image }
        for number in changes.removed { images[number] = nil }
    }

    /// Stores all changed pages outside of the process, restores them in random order, and compares the copy.
    private mutating func compareImages() throws {
        while true {
            let changes = pages.takeChanges(limit: 50, CivilClock(clock))
            apply(changes)
            if changes.remaining == 0 { break }
        }
        let copy = AnswerPages(bytesMax: 1 << 40, recordsChanges: true)
        for image in images.values.sorted(by: { $0.number < $1.number }).shuffled(using: &random) {
            if !copy.restore(image, CivilClock(clock), isPermitted: { _, _ in true }) { throw fail("unreadable image") }
        }
        let (inspection, expected) = (copy.inspect(), pages.inspect())
        if let problem = inspection.problems.first { throw fail("the restored pages: \(problem)") }
        if inspection.answers != expected.answers || images.count != expected.pages {
            throw fail(
                "\(images.count) images of \(expected.pages) pages, \(inspection.answers) answers of \(expected.answers)"
            )
        }
        for index in known.indices {
            try lookUp(index, isUse: false)
            let found = copy.answer(to: reads.reads[index], under: reads.shelf(of: index).master, isUse: false)
            guard let answer = known[index], answer.isStored else {
                if found != nil { throw fail("a removed answer was restored") }
                continue
            }
            if found.map({ answer.isEqual(to: $0.answer) }) != true { throw fail("another answer was restored") }
        }
        // Where restored pages overlapped, the copy has other pages than the images.
        var numbers = Set(images.keys)
        let changes = copy.takeChanges(limit: .max, CivilClock(clock))
        for page in changes.changed { numbers.insert(page.image.number) }
        for number in changes.removed { numbers.remove(number) }
        if numbers.count != inspection.pages {
            throw fail("\(numbers.count) images of \(inspection.pages) restored pages")
        }
    }
}
