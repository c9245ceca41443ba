/// What the source answered to a write.
package enum WriteOutcome: Sendable, Equatable {
    /// The write took effect. The document is the source's answer; `nil` if it has none.
    case done(SourceDocument?)
    /// The source refused the write, so nothing changed.
    case refused(SourceRefusal)
}

/// Why the source refused a write.
package struct SourceRefusal: Sendable, Equatable {
    /// The raw values are stored, so they must not change.
    package enum Kind: String, Sendable, CaseIterable {
        case selfPay
        case accountNotFound
        case notFound
        case refused
    }

    package let kind: Kind

    /// The source's code.
    package let code: Int

    /// The source's documented text, or a generic one. Never text that the source invented for one account.
    package let message: String

    package init(kind: Kind, code: Int, message: String) {
        self.kind = kind
        self.code = code
        self.message = message
    }
}
