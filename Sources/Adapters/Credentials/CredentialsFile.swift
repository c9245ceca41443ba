package import Domain
import FoundationEssentials

/// The credentials of the master account in a JSON file, read anew each time they are asked for:
///
///     {"masters": [{"name": "main", "account_id": "…", "client_id": "…", "client_secret": "…"}]}
package struct CredentialsFile: CredentialsStore {
    /// The file cannot be used. Says why, and never what is in it.
    package struct Problem: Error, CustomStringConvertible {
        package let path: String
        package let reason: String

        package var description: String { "\(path): \(reason)" }
    }

    private let path: String

    package init(path: String) {
        self.path = path
    }

    package func masterCredentials() async throws(BillingFailure) -> MasterCredentials {
        do throws(Problem) {
            return try read()
        } catch {
            throw .credentialsRefused
        }
    }

    /// Reads and checks the file, for whoever can tell a person what is wrong with it.
    package func read() throws(Problem) -> MasterCredentials {
        let object = try JSONFile.object(at: path) { Problem(path: path, reason: $0) }
        func problem(_ reason: String) -> Problem { Problem(path: path, reason: reason) }
        guard let masters = object["masters"]?.array else { throw problem("\"masters\" must be an array") }
        guard masters.count == 1, let master = masters.first?.object else {
            throw problem("\"masters\" must hold exactly one object; it holds \(masters.count)")
        }
        func text(_ name: String) throws(Problem) -> String {
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
