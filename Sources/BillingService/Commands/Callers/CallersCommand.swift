import ArgumentParser

struct CallersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "callers",
        abstract: "Manage the callers: the programs that may call the API.",
        discussion: """
            The setting callers.file names the file. It contains the digests of tokens. The tokens themselves are shown \
            once, when they are created.

            A running service applies each change within a second.

            Exit codes: 0 success, 1 failed, 64 wrong usage, 78 wrong configuration.
            """,
        subcommands: [
            CallersAddCommand.self, CallersListCommand.self, CallersRevokeCommand.self, CallersRotateCommand.self,
        ])
}
