import ArgumentParser

struct CredentialsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "credentials",
        abstract: "Manage the credentials of the Zoom master accounts.",
        discussion: """
            The setting credentials.file names the file. Secrets are read from a prompt that does not show them, or from \
            standard input. They are not arguments, since all users of the machine can see those.

            A running service applies each change within a second, and no request fails because of it.

            Exit codes: 0 success, 1 failed, 64 wrong usage, 78 wrong configuration.
            """,
        subcommands: [
            CredentialsAddCommand.self, CredentialsListCommand.self, CredentialsShowCommand.self,
            CredentialsRemoveCommand.self, CredentialsRotateCommand.self, CredentialsVerifyCommand.self,
            CredentialsEncryptCommand.self,
        ])
}
