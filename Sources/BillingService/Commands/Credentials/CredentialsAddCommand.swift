import Adapters
import ArgumentParser
import Domain

struct CredentialsAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a master account. Prompts for its client secret.",
        discussion: """
            Creates the credentials file if it does not exist, with access for its owner only. The file is encrypted if \
            credentials.key-file has a key, and plain JSON otherwise.
            """)

    @Option(help: "Name of the master account in this service: up to 64 letters, digits and - _ . @ : /.")
    var name: Name

    @Option(name: .customLong("account-id"), help: "Zoom's id of the master account.")
    var accountID: AccountID

    @Option(
        name: .customLong("client-id"), help: "Client id of its Server-to-Server OAuth app.",
        transform: ClientIDArgument.parse)
    var clientID: String

    @Option(
        name: .customLong("oauth-host"),
        help: "Host, or host:port, of its token endpoint (default: that of zoom.oauth-url).",
        transform: Self.host)
    var oauthHost: String?

    @Option(
        name: .customLong("api-host"), help: "Host, or host:port, of its API (default: that of zoom.api-url).",
        transform: Self.host)
    var apiHost: String?

    @Option(help: "Its plan (default: zoom.plan).")
    var plan: ZoomPlan?

    @Option(
        name: .customLong("rate-share"), help: "Fraction of its plan's rate limits to use (default: zoom.rate-share).",
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
        // Fails before the prompt if the name exists. Other problems of the file are reported by the update.
        if let document = try? file.read() { try check(document, file) }
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
                    "already contains a master account \(name); to change its secret, run billing-service credentials rotate"
            )
        }
    }
}
