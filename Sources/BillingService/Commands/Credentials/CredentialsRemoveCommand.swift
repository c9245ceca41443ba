import Adapters
import ArgumentParser
import Domain

struct CredentialsRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a master account. Its billing is no longer available.")

    @OptionGroup var master: MasterNameFlag
    @OptionGroup var fileFlags: CredentialsFileFlags

    func run() async throws {
        let file = try await fileFlags.file()
        let name = master.name
        try file.change(name) { document, index in document.masters.remove(at: index) }
        try Output.confirm("removed \(name) from \(file.file.path)")
    }
}
