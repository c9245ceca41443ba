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
