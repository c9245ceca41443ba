import ArgumentParser
import Domain

struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Show or remove the idempotency key of a change.",
        discussion: """
            A service remembers the key and the outcome of each change for a time (idempotency.window), and does not send a \
            change with the same key again.
            """,
        subcommands: [KeysShowCommand.self, KeysRemoveCommand.self])
}

/// The flags of the commands for keys.
struct KeyFlags: ArgumentsInParts {
    static let parts: [ArgumentsPart<KeyFlags>] = [.init(\.timeout), .init(\.service)]

    private(set) var timeout = TimeoutFlag()
    private(set) var service = CalledServiceFlags()

    /// For the help of the commands.
    static let discussion = """
        \(ServiceFlags.discussion) Put -- before a key that begins with a dash.

        \(ExitStatus.summary(of: ExitStatus.ofLookups))
        """
}
