import Adapters
import ArgumentParser
import Domain

struct CredentialsRotateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Give a master account another client secret, which is asked for.",
        discussion: """
            A running service asks Zoom for a token with the new secret, and uses the old token until it has one: no \
            request fails, also if the new secret is wrong. billing-service credentials verify tells whether it is.
            """)

    @OptionGroup var master: MasterNameFlag
    @Option(
        name: .customLong("client-id"), help: "The client id of another app, if it is no longer the same.",
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
