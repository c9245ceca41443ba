/// The credentials with which a master account obtains access tokens.
package struct MasterCredentials: Sendable, Equatable {
    package let name: Name
    package let accountID: AccountID
    package let clientID: String
    package let clientSecret: Secret

    package init(name: Name, accountID: AccountID, clientID: String, clientSecret: Secret) {
        self.name = name
        self.accountID = accountID
        self.clientID = clientID
        self.clientSecret = clientSecret
    }
}
