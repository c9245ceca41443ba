import Adapters
import ArgumentParser
import Domain

struct CallersRevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Remove a caller, or revoke the older of its two tokens.",
        discussion: """
            Within a second, its requests are answered 401, and its open streams are aborted. Other callers are not \
            affected.
            """)

    @Flag(help: "Revoke only the older token, and keep the caller.")
    var previous = false

    @OptionGroup var caller: CallerNameFlag
    @OptionGroup var fileFlags: CallersFileFlags

    func run() async throws {
        let file = try await fileFlags.file()
        try file.change(caller.name) { entry throws(FileProblem) in
            guard previous else { return nil }
            guard case .token(let digest, _?) = entry.credential else {
                throw file.problem("\(caller.name) has only one token")
            }
            var entry = entry
            entry.credential = .token(digest, previous: nil)
            return entry
        }
        try Output.confirm(previous ? "revoked the older token of \(caller.name)" : "revoked \(caller.name)")
    }
}
