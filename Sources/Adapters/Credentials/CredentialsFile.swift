package import Domain
import FoundationEssentials

/// The credentials of the master account in a JSON file, read anew each time they are asked for:
///
///     {"masters": [{"name": "main", "account_id": "…", "client_id": "…", "client_secret": "…"}]}
package struct CredentialsFile: CredentialsStore {
    private let path: String

    package init(path: String) {
        self.path = path
    }

    package func masterCredentials() async throws(BillingFailure) -> MasterCredentials {
        do throws(FileProblem) {
            return try read()
        } catch {
            throw .credentialsRefused
        }
    }

    /// Reads and checks the file, for whoever can tell a person what is wrong with it.
    package func read() throws(FileProblem) -> MasterCredentials {
        let object = try JSONFile.object(at: path)
        func problem(_ reason: String) -> FileProblem { FileProblem(path: path, reason: reason) }
        guard let masters = object["masters"]?.array else { throw problem("\"masters\" must be an array") }
        guard masters.count == 1, let master = masters.first?.object else {
            throw problem("\"masters\" must hold exactly one object; it holds \(masters.count)")
        }
        func text(_ name: String) throws(FileProblem) -> String {
            guard let text = master[name]?.string, !text.isEmpty else {
                throw problem("\"\(name)\" must be a text that is not empty")
            }
            return text
        }
        guard let accountID = AccountID(try text("account_id")) else {
            throw problem("\"account_id\" cannot be the id of an account")
        }
        return MasterCredentials(
            name: try text("name"), accountID: accountID, clientID: try text("client_id"),
            clientSecret: Secret(try text("client_secret")))
    }
}
