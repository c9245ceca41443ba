import ArgumentParser

struct CredentialsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "credentials",
        abstract: "Manage the file with the master accounts and their credentials.",
        discussion: """
            The file is that of the setting credentials.file, wherever it is set. Secrets are typed at a prompt that does \
            not show them, or come on standard input; they are no arguments, which everybody on the machine can see.

            A service that is running takes up every change within a second, without a request failing for it.

            Exit codes: 0 done, 64 wrong usage, 78 wrong configuration, 1 anything else.
            """,
        subcommands: [
            CredentialsAddCommand.self, CredentialsListCommand.self, CredentialsShowCommand.self,
            CredentialsRemoveCommand.self, CredentialsRotateCommand.self, CredentialsVerifyCommand.self,
            CredentialsEncryptCommand.self,
        ])
}
