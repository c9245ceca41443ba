import Adapters
import ArgumentParser
import Domain

struct CredentialsShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one master account, without its secret.")

    @OptionGroup var master: MasterNameFlag
    @OptionGroup var fileFlags: CredentialsFileFlags

    func run() async throws {
        let file = try await fileFlags.file()
        guard let master = try file.read()[master.name] else { throw file.unknown(master.name) }
        let keyID = try file.sealingKeyID()
        let lines = [
            ("name", master.name.rawValue), ("account_id", master.credentials.accountID.rawValue),
            ("client_id", master.credentials.clientID), ("client_secret", ClientSecret.masked),
            ("oauth_host", master.oauthHost ?? "default (zoom.oauth-url)"),
            ("api_host", master.apiHost ?? "default (zoom.api-url)"), ("plan", master.plan ?? "default (zoom.plan)"),
            ("rate_share", master.rateShare.map { "\($0)" } ?? "default (zoom.rate-share)"),
            ("file", file.file.path), ("encrypted", keyID.map { "with the key \($0)" } ?? "no"),
        ]
        try Output.write(lines.map { "\($0): \($1)\n" }.joined())
    }
}
