import Adapters
import Domain
import FoundationEssentials

/// The credentials of a sandbox's app in a file of their own, in a folder nobody else can look into.
struct TemporaryCredentials {
    private let folder: URL
    let file: CredentialsFile

    init(_ app: SandboxConfiguration.App) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "billing-service-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        let path = folder.appending(path: "credentials.json").path()
        try Self.write(app, to: path)
        file = CredentialsFile(PrivateFile(path: path))
    }

    static func write(_ app: SandboxConfiguration.App, to path: String) throws(FileProblem) {
        guard let name = Name("sandbox"), let accountID = AccountID(app.accountID) else {
            preconditionFailure("the sandbox has chosen no good names")
        }
        let master = MasterCredentials(
            name: name, accountID: accountID, clientID: app.clientID, clientSecret: Secret(app.clientSecret))
        let text = CredentialsDocument(masters: [.init(master)]).text
        try PrivateFile(path: path).update { _ in text }
    }

    func remove() {
        try? FileManager.default.removeItem(at: folder)
    }
}
