/// A page of cached answers as the answers file stores it. Only `PersistentPages` knows the form of `content`.
package struct StoredPage: Sendable, Equatable {
    /// Identifies the page, and stays the same while the page changes. Positive.
    ///
    /// No two pages have the same number, also not pages of two processes that wrote the same file. So each process counts
    /// from a random number.
    package let number: Int64

    /// The shelf of the page, such as its master account and operation. Stored without encryption, so it has no account id.
    package let shelf: String

    package let content: [UInt8]

    /// How many answers `content` has.
    package let answerCount: Int

    /// When the oldest and the newest of the answers were received, in milliseconds since 1970.
    package let oldest: Int64
    package let newest: Int64

    /// When an answer of the page was last used, in seconds since 1970.
    package let usedAt: Int64

    package init(
        number: Int64, shelf: String, content: [UInt8], answerCount: Int, oldest: Int64, newest: Int64, usedAt: Int64
    ) {
        self.number = number
        self.shelf = shelf
        self.content = content
        self.answerCount = answerCount
        self.oldest = oldest
        self.newest = newest
        self.usedAt = usedAt
    }
}

/// Something else that is stored with the pages, such as the account list of a master account.
package struct StoredDocument: Sendable, Equatable {
    /// Identifies the document. Stored without encryption, so it has no personal data.
    package let name: String

    /// Empty if the document no longer exists.
    package let content: [UInt8]

    /// When the content was received, in milliseconds since 1970.
    package let asOf: Int64

    package init(name: String, content: [UInt8], asOf: Int64) {
        self.name = name
        self.content = content
        self.asOf = asOf
    }
}
