package import Domain
package import Logging
package import Metrics

#if canImport(Glibc)
    import Glibc
#endif

/// Stores cached answers in the answers file, and restores them at the start. Its calls block, and one thread at a time makes
/// them.
///
/// A failure costs what is stored, and nothing else: the file is tried again later, or set aside.
package final class AnswersStore {
    package struct Rules: Sendable {
        /// The longest time between a change of a page and its write.
        package var writeInterval = Duration.seconds(5)

        /// Answers that were received longer ago are removed.
        package var retention = Duration.seconds(30 * 86_400)

        /// The largest number of pages that are written in one transaction.
        var transactionPagesMax = 32

        /// The largest number of transactions of one step: other calls wait for the step.
        var stepTransactionsMax = 8

        /// The number of pages that are read in one step.
        var readPagesMax = 16

        /// The longest time between two attempts to use a file that fails.
        var backOffMax = Duration.seconds(60)

        package init() {}
    }

    /// What to do next.
    package enum Step: Sendable, Equatable {
        /// Call `step` at this time.
        case wait(until: Moment)
        /// Call `restore` with the last changes of accounts, before the next step.
        case restore
    }

    private enum Phase {
        /// No file is open.
        case closed
        /// The file is open, and nothing has been read.
        case opened(AnswersTables, AnswersFile)
        case reading(AnswersTables, AnswersFile, AnswersReading)
        case writing(AnswersTables, AnswersFile)
    }

    /// Why nothing is stored now.
    private enum Problem: Equatable {
        case usedByOther
        case failing(String)
    }

    private let file: PrivateFile
    private let keys: SealingKeys
    private let pages: any PersistentPages
    private let documents: (any PersistentDocuments)?
    private let source: @Sendable () -> SHA256Digest
    private let rules: Rules
    private let time: any TimeSource
    private let metrics: AnswersMetrics
    private let logger: Logger

    private var lock: AnswersLock?
    private var phase = Phase.closed

    /// How many changed pages are written before the next pause. Pages that change meanwhile wait for it.
    private var due = 0
    private var nextWrite: Moment
    private var nextUses: Moment
    private var nextPurge: Moment

    /// A purge in memory whose changes are not all in the file yet: the time before which answers are removed.
    private var purgedBefore: Int64?
    private var isLogToBeEmptied = false

    /// The id of the key that all rows are known to be encrypted with; nil before they were checked.
    private var sealedKeyID: String??

    /// The source when the last interval ended, and that of the file.
    private var seenSource: SHA256Digest?
    private var storedSource: SHA256Digest?
    private var failures = 0
    private var problem: Problem?

    /// When no process stored what it had.
    private var gaps = StorageGaps()

    /// The note of a complete end may be in the file. It is removed before anything is written.
    private var isEndToBeRemoved = false

    /// Uses are written less often than pages: they only order the next restore.
    private static let usesInterval = Duration.seconds(60)
    private static let purgeIntervalMax = Duration.seconds(3600)
    private static let busyTimeout = Duration.seconds(2)

    /// - Parameters:
    ///   - file: The state file. The name of the answers file derives from it.
    ///   - documents: nil if there are none.
    ///   - source: Identifies the master accounts, and where Zoom is. Answers of another source are not restored.
    package init(
        stateFile file: PrivateFile, keys: SealingKeys, pages: any PersistentPages,
        documents: (any PersistentDocuments)? = nil,
        source: @escaping @Sendable () -> SHA256Digest = { SHA256Digest(of: "") }, rules: Rules = Rules(),
        time: any TimeSource,
        metrics: any MetricsFactory = .none, logger: Logger
    ) {
        self.file = file
        self.keys = keys
        self.pages = pages
        self.documents = documents
        self.source = source
        self.rules = rules
        self.time = time
        self.metrics = AnswersMetrics(metrics)
        self.logger = logger
        nextWrite = time.now
        nextUses = time.now + Self.usesInterval
        nextPurge = time.now
    }

    /// The path of the answers file of a state file.
    package static func path(ofStateFile path: String) -> String { path + "-answers" }

    /// Why nothing is stored; nil if answers are stored, or if another process stores its own.
    package var failure: String? { if case .failing(let reason) = problem { reason } else { nil } }

    /// Whether the stored answers have been restored, and changes are written.
    package var isRestored: Bool { if case .writing = phase { true } else { false } }

    // MARK: Steps

    /// Does what is due.
    package func step() -> Step {
        let now = time.now
        do throws(AnswersFailure) {
            switch phase {
            case .closed:
                guard now >= nextWrite else { return .wait(until: nextWrite) }
                guard try acquireLock() else { return .wait(until: time.now + rules.writeInterval) }
                guard rules.retention > .zero else {
                    try removeAll()
                    return .wait(until: time.now + Self.purgeIntervalMax)
                }
                let (tables, file) = try open()
                phase = .opened(tables, file)
                pages.beginRestoring()
                return .restore
            case .opened: return .restore
            case .reading(let tables, let file, var reading):
                // A file with a damaged row is not written: it is about to be set aside.
                if reading.damage == nil, now >= nextWrite { try writeWhileReading(to: tables, file) }
                try reading.restorePages(rules.readPagesMax, from: tables, to: pages, try sealing())
                let isDone = reading.numbers.isEmpty ? try finish(&reading, tables) : false
                phase = isDone ? .writing(tables, file) : .reading(tables, file, reading)
                // As long as the step took, so that reading uses half a core at most.
                return .wait(until: time.now + (time.now - now))
            case .writing(let tables, let file):
                guard now >= nextWrite else { return .wait(until: nextWrite) }
                try write(to: tables, file)
                return .wait(until: nextWrite)
            }
        } catch {
            failed(error)
            return .wait(until: nextWrite)
        }
    }

    /// Begins to restore the stored answers, as `Step.restore` requested.
    ///
    /// - Parameter changedAt: The accounts that were changed lately; see `RestoreRules`. nil if they are unknown: then nothing
    ///   is restored or stored until the next attempt.
    package func restore(changedAt: [AccountID: Int64]?) -> Step {
        guard case .opened(let tables, let file) = phase else { return step() }
        guard let changedAt else { return .wait(until: time.now + rules.writeInterval) }
        do throws(AnswersFailure) {
            let sealing = try sealing()
            let received = retentionLimit...time.millisecondsSinceEpoch
            var reading = AnswersReading(RestoreRules(received: received, changedAt: changedAt), began: time.now)
            try checkSource(tables)
            let gaps = try reading.gaps(from: tables, at: time.millisecondsSinceEpoch, sealing)
            if let gaps { self.gaps = gaps }
            isEndToBeRemoved = true
            // Stored answers are restored even if the disk is full.
            try? removeEnd(tables)
            try reading.restoreDocuments(from: tables, to: documents, gaps: gaps, sealing)
            reading.numbers = try tables.pageNumbers()[...]
            phase = .reading(tables, file, reading)
            return .wait(until: time.now)
        } catch {
            failed(error)
            return .wait(until: nextWrite)
        }
    }

    private func checkSource(_ tables: AnswersTables) throws(AnswersFailure) {
        let digest = source()
        let stored = try tables.source()
        if stored != digest.bytes {
            // A new file has neither a source nor pages.
            guard stored == nil, try tables.pageNumbers().isEmpty else { throw .otherSource }
            try tables.write(source: digest.bytes)
        }
        (seenSource, storedSource) = (digest, digest)
    }

    /// Writes what has changed, and closes the file.
    ///
    /// - Parameter deadline: No write begins after it.
    package func close(deadline: Moment) {
        do throws(AnswersFailure) {
            switch phase {
            case .closed, .opened: break
            case .reading(let tables, let file, let reading):
                if reading.damage == nil { try writeAll(to: tables, file, deadline: deadline) }
            case .writing(let tables, let file): try writeAll(to: tables, file, deadline: deadline)
            }
        } catch {
            failed(error)
        }
        phase = .closed
        lock = nil
        metrics.setStoring(false)
    }

    private func writeAll(to tables: AnswersTables, _ file: AnswersFile, deadline: Moment) throws(AnswersFailure) {
        nextUses = time.now
        // What the last write left, then what has changed since.
        repeat { try write(to: tables, file) } while due > 0 && time.now < deadline
        if time.now < deadline { try write(to: tables, file) }
        while due > 0, time.now < deadline { try write(to: tables, file) }
        if due == 0 {
            let end = CompleteEnd(at: time.millisecondsSinceEpoch, gaps: gaps)
            // A failure costs the note only: everything else is stored.
            try? tables.write(end.document, try sealing())
        } else {
            logger.warning(
                "some answers were not stored before the end: they are looked up again after the start",
                metadata: ["pages": "\(due)", "file": "\(LogText.escaped(file.path))"])
        }
    }

    private func removeEnd(_ tables: AnswersTables) throws(AnswersFailure) {
        guard isEndToBeRemoved else { return }
        try tables.removeDurably(CompleteEnd.name)
        isEndToBeRemoved = false
    }

    // MARK: Opening

    private func acquireLock() throws(AnswersFailure) -> Bool {
        guard lock == nil else { return true }
        do throws(FileProblem) {
            lock = try AnswersLock.acquire(ofStateFile: try file.followed())
        } catch {
            throw .problem(error)
        }
        if lock == nil { report(.usedByOther) }
        return lock != nil
    }

    private func open() throws(AnswersFailure) -> (AnswersTables, AnswersFile) {
        let file = try AnswersFile.open(answersFile, busyTimeout: Self.busyTimeout)
        SetAsideFiles(of: file.path).removeExcess(at: time.timestamp, retention: rules.retention)
        sealedKeyID = nil
        return (try AnswersTables(file), file)
    }

    /// Removes all stored answers, if none may be stored.
    private func removeAll() throws(AnswersFailure) {
        do throws(FileProblem) {
            let path = try answersFile.followed()
            SetAsideFiles(of: path).removeAll()
            for suffix in [""] + AnswersFile.otherFiles { unlink(SystemText.cString(of: path + suffix)) }
        } catch {
            throw .problem(error)
        }
    }

    private var answersFile: PrivateFile {
        PrivateFile(path: Self.path(ofStateFile: file.path), mayBeShared: file.mayBeShared)
    }

    /// The keys are read each time, so that a changed key file needs no restart.
    private func sealing() throws(AnswersFailure) -> RowSealing {
        do throws(FileProblem) {
            return RowSealing(keys: try keys.read())
        } catch {
            throw .problem(error)
        }
    }

    /// Answers that were received before this time are too old, in milliseconds since 1970.
    private var retentionLimit: Int64 {
        time.millisecondsSinceEpoch - Int64(rules.retention / .milliseconds(1))
    }

    // MARK: Reading

    /// Called when all pages were read. Removes the unwanted pages from the file, a limited number in each call.
    ///
    /// - Returns: Whether all are removed.
    private func finish(_ reading: inout AnswersReading, _ tables: AnswersTables) throws(AnswersFailure) -> Bool {
        if let damage = reading.damage { throw damage }
        let removed = reading.unwanted.suffix(rules.transactionPagesMax * rules.stepTransactionsMax)
        if !removed.isEmpty {
            try tables.remove(removed)
            metrics.count(.removed, removed.count)
            reading.unwanted.removeLast(removed.count)
        }
        guard reading.unwanted.isEmpty else { return false }
        pages.endRestoring()
        metrics.count(.restored, reading.restored)
        metrics.count(.unreadable, reading.unreadable)
        guard reading.restored > 0 else { return true }
        logger.info(
            "stored answers were restored",
            metadata: ["pages": "\(reading.restored)", "duration": "\(time.now - reading.began)"])
        return true
    }

    // MARK: Writing

    /// Writes what has changed, up to a number of pages. If more is due, the next step follows at once.
    private func write(to tables: AnswersTables, _ file: AnswersFile) throws(AnswersFailure) {
        let sealing = try sealing()
        // Also noticed if nothing has changed.
        guard file.isInPlace else { throw .replaced }
        try removeEnd(tables)
        if due == 0, time.now >= nextPurge { purge() }
        try writePages(to: tables, sealing)
        if due == 0 {
            try writeSource(to: tables)
            try writeRest(to: tables, file, sealing)
        }
        metrics.count(.done)
        metrics.setBytes(file.bytes)
        failures = 0
        report(nil)
        nextWrite = due > 0 ? time.now : time.now + rules.writeInterval
    }

    /// Writes what has changed. A full disk does not prevent the restore of the other pages.
    private func writeWhileReading(to tables: AnswersTables, _ file: AnswersFile) throws(AnswersFailure) {
        do throws(AnswersFailure) {
            try write(to: tables, file)
        } catch {
            switch error {
            case .sqlite, .problem: failed(error)
            case .unusable, .replaced, .otherSource: throw error
            }
        }
    }

    /// Records a new source one interval after it was seen. By then, the answers of the earlier one are removed from memory
    /// and from the file.
    private func writeSource(to tables: AnswersTables) throws(AnswersFailure) {
        let digest = source()
        if digest == seenSource, digest != storedSource {
            try tables.write(source: digest.bytes)
            storedSource = digest
        }
        seenSource = digest
    }

    private func writePages(to tables: AnswersTables, _ sealing: RowSealing) throws(AnswersFailure) {
        for _ in 0..<rules.stepTransactionsMax {
            let isContinued = due > 0
            let changes = pages.takeChanges(
                limit: isContinued ? min(due, rules.transactionPagesMax) : rules.transactionPagesMax)
            let count = changes.changed.count + changes.removed.count
            // Pages that change after the first call wait for the next interval, so that a burst of changes of one page
            // causes one write.
            if !isContinued { due = count + changes.remaining }
            guard count > 0 else { due = 0; break }
            do throws(AnswersFailure) {
                try tables.write(changes, sealing)
            } catch {
                pages.returnChanges(changes)
                metrics.setUnwritten(due)
                due = 0
                throw error
            }
            metrics.count(.written, changes.changed.count)
            metrics.count(.removed, changes.removed.count)
            due = max(0, due - count)
            if due == 0 { break }
        }
        metrics.setUnwritten(due)
    }

    /// What follows when all changed pages of an interval are written.
    private func writeRest(
        to tables: AnswersTables, _ file: AnswersFile, _ sealing: RowSealing
    ) throws(AnswersFailure) {
        if let documents {
            let changed = documents.takeChangedDocuments()
            for (index, document) in changed.enumerated() {
                do throws(AnswersFailure) {
                    if document.content.isEmpty {
                        try tables.removeDocument(document.name)
                    } else {
                        try tables.write(document, sealing)
                    }
                } catch {
                    documents.returnDocuments(Array(changed[index...]))
                    throw error
                }
            }
        }
        if time.now >= nextUses {
            try tables.markUsed(pages.takeUses())
            nextUses = time.now + Self.usesInterval
        }
        // Rows that are still to be read are removed by the restore.
        guard case .writing = phase else { return }
        try sealAgain(tables, sealing)
        if let limit = purgedBefore {
            let removed = try tables.remove(
                receivedBefore: limit, limit: rules.transactionPagesMax * rules.stepTransactionsMax)
            metrics.count(.removed, removed)
            if removed == 0 {
                purgedBefore = nil
                isLogToBeEmptied = true
            }
        }
        if isLogToBeEmptied { isLogToBeEmptied = try !file.emptyLog() }
    }

    /// Removes old answers from memory. The file follows with the next writes.
    private func purge() {
        guard case .writing = phase else { return }
        let limit = retentionLimit
        pages.purge(receivedBefore: limit)
        purgedBefore = limit
        nextPurge = time.now + min(Self.purgeIntervalMax, rules.retention / 24)
        if let path = try? answersFile.followed() {
            SetAsideFiles(of: path).removeExcess(at: time.timestamp, retention: rules.retention)
        }
    }

    /// Encrypts rows with the current key that were written with another one, or without a key, some at a time.
    private func sealAgain(_ tables: AnswersTables, _ sealing: RowSealing) throws(AnswersFailure) {
        guard sealedKeyID != .some(sealing.keyID) else { return }
        let limit = rules.transactionPagesMax
        for _ in 0..<rules.stepTransactionsMax {
            var changes = PageChanges(changed: [], removed: [], remaining: 0)
            for number in try tables.pageNumbers(notSealedBy: sealing, limit: limit) {
                if let page = try tables.page(number, sealing) { changes.changed.append(page) }
            }
            try tables.write(changes, sealing)
            guard changes.changed.isEmpty else { continue }
            for name in try tables.documentNames(notSealedBy: sealing) {
                if let document = try tables.document(name, sealing) { try tables.write(document, sealing) }
            }
            sealedKeyID = .some(sealing.keyID)
            // The log has the rows with their earlier encryption.
            isLogToBeEmptied = true
            return
        }
    }

    // MARK: Failures

    private func failed(_ failure: AnswersFailure) {
        metrics.count(.failed)
        switch failure {
        case .unusable(let reason, let detail):
            phase = .closed
            setAside(reason, detail)
        case .replaced:
            phase = .closed
            beginAnew()
        case .otherSource:
            phase = .closed
            logger.notice(
                "the stored answers are those of other master accounts: they were removed",
                metadata: ["file": "\(LogText.escaped(answersFile.path))"])
            do throws(AnswersFailure) {
                try removeAll()
            } catch {
                report(.failing(error.description))
            }
            beginAnew()
        case .sqlite, .problem: report(.failing(failure.description))
        }
        failures += 1
        let doublings = min(failures - 1, 20)
        nextWrite = time.now + min(rules.writeInterval * (1 << doublings), max(rules.backOffMax, rules.writeInterval))
        // A new file is begun at once, unless that does not help either.
        if case .sqlite = failure { return }
        if case .problem = failure { return }
        if failures == 1 { nextWrite = time.now }
    }

    private func setAside(_ reason: AnswersFailure.Unusable, _ detail: String) {
        do throws(FileProblem) {
            let path = try answersFile.followed()
            let files = SetAsideFiles(of: path)
            let target = try files.add(at: time.timestamp)
            files.removeExcess(at: time.timestamp, retention: rules.retention)
            metrics.count(reason)
            logger.warning(
                "the answers file cannot be used: it was set aside, and a new one is begun",
                metadata: [
                    "file": "\(LogText.escaped(path))", "set_aside": "\(LogText.escaped(target))",
                    "reason": "\(detail)", "kind": "\(reason.rawValue)",
                ])
        } catch {
            report(.failing("it cannot be set aside: \(error.reason)"))
        }
        beginAnew()
    }

    /// Marks all pages in memory as changed, since the next file is empty.
    private func beginAnew() {
        pages.endRestoring()
        due = 0
        purgedBefore = nil
        pages.changeAll()
        documents?.changeAllDocuments()
    }

    /// Logs when the file begins to fail or works again. A full disk makes different calls fail, so that another reason is no
    /// news.
    private func report(_ problem: Problem?) {
        metrics.setStoring(problem == nil)
        guard problem != self.problem else { return }
        let before = self.problem
        self.problem = problem
        let metadata: Logger.Metadata = ["file": "\(LogText.escaped(answersFile.path))"]
        switch (problem, before) {
        case (.failing?, .failing?): break
        case (.failing(let reason)?, _):
            logger.warning(
                "the answers file fails: answers are not stored, and the service continues without it",
                metadata: metadata.merging(["reason": "\(reason)"]) { $1 })
        case (.usedByOther?, _):
            logger.notice(
                "another process stores its answers in the answers file: this one stores none until that one ends",
                metadata: metadata)
        case (nil, .failing?): logger.notice("the answers file works again", metadata: metadata)
        case (nil, .usedByOther?):
            logger.notice("the other process has ended: this one stores its answers now", metadata: metadata)
        case (nil, nil): break
        }
    }
}
