import Adapters
import ArgumentParser
import NIOPosix

struct StateRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove the answers file and the files that were set aside.",
        discussion: """
            No service may use the files. The next start has an empty cache, and takes the answers from Zoom again.

            The idempotency keys stay, unless --keys is given. Without them, a change that its caller repeats is made twice.

            \(StateFileFlags.exitCodes)
            """)

    @Flag(help: "Remove the idempotency keys as well.")
    var keys = false

    @Flag(help: "Remove the files without a question. Required without a terminal.")
    var yes = false

    @OptionGroup var fileFlags: StateFileFlags

    func run() async throws {
        let files = try await fileFlags.files()
        if !yes {
            guard Question.canBeAsked else {
                throw CommandFailure(
                    "the removal must be confirmed, and there is no terminal on standard input and standard error: pass "
                        + "--yes", status: .wrongUsage)
            }
            let question =
                keys
                ? "Remove all cached answers and idempotency keys? Changes that are repeated are then made twice."
                : "Remove all cached answers?"
            guard await Question.ask(question) else { throw CommandFailure("nothing was removed", status: .declined) }
        }
        let removed = try await NIOThreadPool.singleton.runIfActive { [keys] in try files.remove(includesKeys: keys) }
        guard !removed.isEmpty else {
            throw CommandFailure("\(files.path): no cached answers are stored", status: .notFound)
        }
        try Output.confirm(removed.map { "removed \($0)" }.joined(separator: "\n"))
    }
}
