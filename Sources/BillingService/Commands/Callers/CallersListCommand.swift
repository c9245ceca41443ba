import Adapters
import ArgumentParser
import Domain

struct CallersListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the callers with their rights, without their tokens.")

    @OptionGroup var fileFlags: CallersFileFlags

    func run() async throws {
        let now = SystemTime().timestamp
        var table = Table(["NAME", "CREDENTIAL", "SCOPES", "MASTER", "ACCOUNTS", "RATE", "EXPIRES"])
        for entry in try await fileFlags.file().read().entries {
            let caller = entry.caller
            let expires = entry.expires.map { $0.rfc3339 + (entry.isLive(at: now) ? "" : " (expired)") }
            table.add([
                caller.name.rawValue, Self.text(of: entry.credential),
                caller.scopes.map(\.rawValue).sorted().joined(separator: ","), caller.master?.rawValue ?? "-",
                caller.accounts.map { "\($0.count)" } ?? "all",
                caller.rate.map { "\($0.burst),\($0.perSecond)/s" } ?? "-", expires ?? "never",
            ])
        }
        try Output.write(table.text)
    }

    private static func text(of credential: CallersDocument.Credential) -> String {
        switch credential {
        case .token(_, nil): "1 token"
        case .token(_, _?): "2 tokens"
        case .certificate(let san): san
        }
    }
}
