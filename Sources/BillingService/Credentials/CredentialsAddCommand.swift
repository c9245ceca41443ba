import Adapters
import ArgumentParser
import Domain

struct CredentialsAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a master account; its client secret is asked for.",
        discussion: """
            A file that is not there yet is made, for its owner alone: encrypted if there is a key \
            (credentials.key-file), else as plain JSON.
            """)

    @Option(help: "Your name for the master account: up to 64 letters, digits and - _ . @ : /.")
    var name: Name

    @Option(name: .customLong("account-id"), help: "The master account's id at Zoom.")
    var accountID: AccountID

    @Option(
        name: .customLong("client-id"), help: "The client id of its Server-to-Server OAuth app.",
        transform: ClientIDArgument.parse)
    var clientID: String

    @Option(
        name: .customLong("oauth-host"),
        help: "Host, or host:port, of its token endpoint, if not that of zoom.oauth-url.",
        transform: Self.host)
    var oauthHost: String?

    @Option(
        name: .customLong("api-host"), help: "Host, or host:port, of its API, if not that of zoom.api-url.",
        transform: Self.host)
    var apiHost: String?

    @Option(help: "Its plan, if not that of zoom.plan.")
    var plan: ZoomPlan?

    @Option(
        name: .customLong("rate-share"), help: "How much of its plan's rate to use, if not zoom.rate-share.",
        transform: Self.rateShare)
    var rateShare: Double?

    @OptionGroup var fileFlags: CredentialsFileFlags

    private static func host(_ text: String) throws -> String {
        guard CredentialsDocument.isHost(text) else {
            throw ValidationError("It must be a host, or a host and a port.")
        }
        return text
    }

    private static func rateShare(_ text: String) throws -> Double {
        guard let share = Double(text), CredentialsDocument.isRateShare(share) else {
            throw ValidationError("It must be a number above 0 and at most 1.")
        }
        return share
    }

    func run() async throws {
        let file = try await fileFlags.file()
        // Before anybody types anything; what is wrong with the file is said when it is written.
        if let there = try? file.read() { try check(there, file) }
        let secret = try ClientSecret.read(for: name)
        let master = CredentialsDocument.Master(
            MasterCredentials(name: name, accountID: accountID, clientID: clientID, clientSecret: secret),
            oauthHost: oauthHost, apiHost: apiHost, plan: plan?.rawValue, rateShare: rateShare)
        try file.update { document throws(FileProblem) in
            try check(document, file)
            document.masters.append(master)
        }
        try Output.confirm("added \(name) to \(file.file.path)")
    }

    private func check(_ document: CredentialsDocument, _ file: CredentialsFile) throws(FileProblem) {
        guard document[name] == nil else {
            throw FileProblem(
                path: file.file.path,
                reason:
                    "there is a master account \(name) in it already; billing-service credentials rotate gives it another "
                    + "secret")
        }
    }
}
