import Adapters
import ArgumentParser
import Domain

struct CredentialsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the master accounts, without their secrets.")

    @OptionGroup var fileFlags: CredentialsFileFlags

    func run() async throws {
        var table = Table(["NAME", "ACCOUNT ID", "CLIENT ID", "CLIENT SECRET", "PLAN", "RATE SHARE"])
        for master in try await fileFlags.file().read().masters {
            table.add([
                master.name.rawValue, master.credentials.accountID.rawValue, master.credentials.clientID,
                ClientSecret.masked, master.plan ?? "-", master.rateShare.map { "\($0)" } ?? "-",
            ])
        }
        try Output.write(table.text)
    }
}
