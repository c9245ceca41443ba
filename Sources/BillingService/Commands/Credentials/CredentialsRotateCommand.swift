import Adapters
import ArgumentParser
import Domain

struct CredentialsRotateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Change the client secret of a master account. Prompts for the secret.",
        discussion: """
            A running service requests a token with the new secret, and uses the old token until then. No request fails, \
            even if the new secret is wrong. Check it with billing-service credentials verify.
            """)

    @OptionGroup var master: MasterNameFlag
    @Option(
        name: .customLong("client-id"), help: "Client id, if the app has changed as well.",
        transform: ClientIDArgument.parse)
    var clientID: String?
    @OptionGroup var fileFlags: CredentialsFileFlags

    func run() async throws {
        let file = try await fileFlags.file()
        let name = master.name
        guard try file.read()[name] != nil else { throw file.unknown(name) }
        let secret = try ClientSecret.read(for: name)
        try file.change(name) { document, index in
            let old = document.masters[index].credentials
            document.masters[index].credentials = MasterCredentials(
                name: name, accountID: old.accountID, clientID: clientID ?? old.clientID, clientSecret: secret)
        }
        try Output.confirm("rotated the client secret of \(name) in \(file.file.path)")
    }
}
