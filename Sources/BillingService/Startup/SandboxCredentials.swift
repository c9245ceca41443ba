import Adapters
import Domain

extension MasterCredentials {
    /// The credentials of an app of a sandbox.
    init(_ app: SandboxConfiguration.App) {
        guard let name = Name("sandbox"), let accountID = AccountID(app.accountID) else {
            preconditionFailure("the names of the sandbox are not valid")
        }
        self.init(
            name: name, accountID: accountID, clientID: app.clientID, clientSecret: Secret(app.clientSecret))
    }
}

extension SandboxConfiguration.App {
    /// Writes a credentials file with this app only.
    func write(to path: String) throws(FileProblem) {
        let text = CredentialsDocument(masters: [.init(MasterCredentials(self))]).text
        try PrivateFile(path: path).update { _ in text }
    }
}
