import Adapters
import ArgumentParser
import Domain

struct CallersRotateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Give a caller a second token, and print it alone on standard output.",
        discussion: """
            The token before it stays good until billing-service callers revoke --previous, so that nothing stands still \
            while the caller is given the new one. A caller has two at most.
            """)

    @Flag(name: .customLong("revoke-old"), help: "End the tokens it has at once, as when one became known.")
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
                throw file.problem("\(caller.name) is known by its certificate and has no token")
            case .token(_, _?) where !revokesOld:
                throw file.problem(
                    "\(caller.name) has two tokens already: end the older one with billing-service callers revoke "
                        + "--previous, or end both with --revoke-old")
            case .token(let digest, _):
                entry.credential = .token(token.digest, previous: revokesOld ? nil : digest)
            }
            return entry
        }
        let old = revokesOld ? "its old ones have ended" : "the one before it stays good until it is revoked"
        Output.writeError("made another token for \(caller.name), which is not shown again, and \(old)\n")
    }
}
