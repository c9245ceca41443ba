/// Stored answers of one kind for consecutive accounts of a list, all of which may be served.
package struct AnswerRun: Sendable {
    package let kind: ExportKind
    private let page: AnswerPage
    private let entries: Range<Int>

    /// The number of answers that are failures.
    package let failureCount: Int

    init(_ kind: ExportKind, _ page: AnswerPage, _ entries: Range<Int>, failureCount: Int) {
        self.kind = kind
        self.page = page
        self.entries = entries
        self.failureCount = failureCount
    }

    package var count: Int { entries.count }

    /// The lines of all answers.
    package var text: ArraySlice<UInt8> {
        page.text[page.start(of: entries.lowerBound)..<Int(page.entries[entries.upperBound - 1].end)]
    }

    /// The answer at an index, from 0.
    package subscript(_ index: Int) -> Answer {
        let index = entries.lowerBound + index
        let account = AccountID(validated: page.key(of: index))
        return Answer(
            account: account, text: page.text[page.range(of: index)], body: page.text[page.bodyRange(of: index)],
            failure: page.entries[index].content.failure(of: kind.read(of: account)))
    }

    /// The indices of the answers that are failures.
    package var failures: [Int] {
        failureCount == 0
            ? [] : entries.indices.lazy.filter { page.entries[$0].content != .answer }.map { $0 - entries.lowerBound }
    }

    package struct Answer: Sendable {
        package let account: AccountID

        /// The line of the answer.
        package let text: ArraySlice<UInt8>

        /// What single lookups answer. Empty for a failure.
        package let body: ArraySlice<UInt8>
        package let failure: BillingFailure?
    }
}
