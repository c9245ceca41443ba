import ArgumentParser

struct CallersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "callers",
        abstract: "Manage the file with the programs that may call, their tokens and their rights.",
        discussion: """
            The file is that of the setting callers.file, wherever it is set. It holds the digests of tokens and not the \
            tokens, which are shown once, when they are made.

            A service that is running takes up every change within a second.

            Exit codes: 0 done, 64 wrong usage, 78 wrong configuration, 1 anything else.
            """,
        subcommands: [
            CallersAddCommand.self, CallersListCommand.self, CallersRevokeCommand.self, CallersRotateCommand.self,
        ])
}
