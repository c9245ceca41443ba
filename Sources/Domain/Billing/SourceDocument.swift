/// An answer that the domain passes on without interpreting it.
package struct SourceDocument: Sendable, Equatable {
    /// The answer in the notation of its source, on one line: numbers digit for digit, and every member.
    package let text: [UInt8]

    package init(text: [UInt8]) {
        self.text = text
    }
}
