import Domain

/// The progress of reading an answers file at the start.
struct AnswersReading {
    let rules: RestoreRules
    let began: Moment

    /// The pages that were not read yet, the most recently used first.
    var numbers: ArraySlice<Int64> = []

    /// Pages to remove from the file: pages in an unknown format, and pages that do not fit in memory.
    var unwanted: [Int64] = []

    /// The first row that could not be read. The file is set aside when the others have been read.
    private(set) var damage: AnswersFailure?

    private(set) var restored = 0
    private(set) var unreadable = 0

    init(_ rules: RestoreRules, began: Moment) {
        self.rules = rules
        self.began = began
    }

    /// - Returns: When no process stored what it had; nil if the last process did not store all that it had.
    mutating func gaps(from tables: AnswersTables, at now: Int64, _ sealing: RowSealing) throws(AnswersFailure)
        -> StorageGaps?
    {
        var end: CompleteEnd?
        do throws(AnswersFailure) {
            end = try tables.document(CompleteEnd.name, sealing).flatMap(CompleteEnd.init)
        } catch {
            try skip(error)
        }
        return end?.gaps(until: now)
    }

    mutating func restoreDocuments(
        from tables: AnswersTables, to documents: (any PersistentDocuments)?, gaps: StorageGaps?, _ sealing: RowSealing
    ) throws(AnswersFailure) {
        guard let documents else { return }
        for name in try tables.documentNames() {
            do throws(AnswersFailure) {
                guard let document = try tables.document(name, sealing) else { continue }
                let isRestored =
                    rules.received.contains(document.asOf) && documents.restore(document, gaps: gaps?.ranges)
                if !isRestored { try tables.removeDocument(name) }
            } catch {
                try skip(error)
            }
        }
    }

    /// Restores the next pages.
    mutating func restorePages(
        _ count: Int, from tables: AnswersTables, to pages: any PersistentPages, _ sealing: RowSealing
    ) throws(AnswersFailure) {
        for _ in 0..<count {
            guard let number = numbers.popFirst() else { return }
            do throws(AnswersFailure) {
                guard let page = try tables.page(number, sealing) else { continue }
                switch pages.restore(page, rules: rules) {
                case .taken: restored += 1
                case .unreadable:
                    unreadable += 1
                    unwanted.append(number)
                case .full:
                    // The pages that were used longest ago.
                    unwanted.append(number)
                    unwanted += numbers
                    numbers = []
                }
            } catch {
                try skip(error)
            }
        }
    }

    /// Notes a row that could not be read, so that the others are read.
    ///
    /// - Throws: A failure of the whole file.
    private mutating func skip(_ failure: AnswersFailure) throws(AnswersFailure) {
        switch failure {
        case .unusable: if damage == nil { damage = failure }
        case .replaced, .otherSource, .sqlite, .problem: throw failure
        }
    }
}
