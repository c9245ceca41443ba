import Adapters
import Domain

#if canImport(Glibc)
    import Glibc
#endif

/// The credentials of a sandbox's app in a file of their own, in a folder that this program's user alone can open.
struct TemporaryCredentials {
    private let folder: String
    let file: CredentialsFile

    /// - Throws: `ConfigurationProblem` for a `TMPDIR` in which no folder can be made.
    init(_ app: SandboxConfiguration.App) throws {
        let parent = Invocation.environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        var name = SystemText.cString(of: parent + "/billing-service-XXXXXX")
        // Makes it with mode 0700.
        guard mkdtemp(&name) != nil else {
            throw ConfigurationProblem(lines: ["TMPDIR: \(FileProblem(path: parent, code: errno))"])
        }
        folder = SystemText.text { name[$0] }
        let path = folder + "/credentials.json"
        file = CredentialsFile(PrivateFile(path: path))
        do throws(FileProblem) {
            try Self.write(app, to: path)
        } catch {
            remove()
            throw error
        }
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
        unlink(SystemText.cString(of: folder + "/credentials.json"))
        rmdir(SystemText.cString(of: folder))
    }
}
