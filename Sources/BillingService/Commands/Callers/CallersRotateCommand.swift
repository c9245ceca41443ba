import Adapters
import ArgumentParser
import Domain

struct CallersRotateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Create a second token for a caller, and print it on standard output.",
        discussion: """
            The older token stays valid until billing-service callers revoke --previous, so that the caller can switch \
            without downtime. A caller has at most two tokens. Standard output contains the token only.
            """)

    @Flag(name: .customLong("revoke-old"), help: "Revoke its existing tokens at once, for example after a leak.")
    var revokesOld = false

    @OptionGroup var caller: CallerNameFlag
    @OptionGroup var fileFlags: CallersFileFlags

    func run() async throws {
        let file = try await fileFlags.file()
        let token = NewToken()
        try file.change(caller.name, showing: token) { entry throws(FileProblem) in
            var entry = entry
            switch entry.credential {
            case .certificate:
                throw file.problem("\(caller.name) is identified by its certificate and has no token")
            case .token(_, _?) where !revokesOld:
                throw file.problem(
                    "\(caller.name) already has two tokens: revoke the older one with billing-service callers revoke "
                        + "--previous, or both with --revoke-old")
            case .token(let digest, _):
                entry.credential = .token(token.digest, previous: revokesOld ? nil : digest)
            }
            return entry
        }
        let old = revokesOld ? "its old tokens are revoked" : "the older token stays valid until it is revoked"
        Output.writeError("created a token for \(caller.name); it is not shown again, and \(old)\n")
    }
}
