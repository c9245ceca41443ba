/// What a master account proves itself with to obtain tokens.
package struct MasterCredentials: Sendable, Equatable {
    /// The operator's own name for the master account.
    package let name: String
    package let accountID: AccountID
    package let clientID: String
    package let clientSecret: Secret

    package init(name: String, accountID: AccountID, clientID: String, clientSecret: Secret) {
        self.name = name
        self.accountID = accountID
        self.clientID = clientID
        self.clientSecret = clientSecret
    }
}

/// Text that must not be seen: printing, dumping or interpolating it shows only that it is there.
package struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let text: String

    package init(_ text: String) {
        self.text = text
    }

    /// The text itself, for the one place that sends it.
    package func reveal() -> String { text }

    package var description: String { "<secret>" }
    package var debugDescription: String { "<secret>" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
