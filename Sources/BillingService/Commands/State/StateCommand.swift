import Adapters
import ArgumentParser

struct StateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "state",
        abstract: "Look at the state file of a service, compact it, or remove the cached answers beside it.",
        discussion: """
            The setting state.file names the file. The file has the idempotency keys of changes. A second file with the \
            ending -answers has the cached answers.

            \(StateFileFlags.exitCodes)
            """,
        subcommands: [StateInspectCommand.self, StateCompactCommand.self, StateRemoveCommand.self])
}

/// The state file, for the commands that look at it: the same settings as a service.
struct StateFileFlags: ParsableArguments, GivenSettings {
    @OptionGroup var state: SettingFlags<Settings.State>
    @OptionGroup var sharedFiles: SettingFlags<Settings.SharedFiles>
    @OptionGroup var configuration: ConfigurationFlag

    static let exitCodes = """
        Exit codes: 0 success, 1 failed, 5 the question was not answered with yes, 64 wrong usage, 66 there is no state \
        file, 75 a service uses it, 78 wrong configuration.
        """

    var given: [String: String] { givenSettings }

    /// - Throws: `ConfigurationProblem`.
    func files() async throws -> StateFiles {
        try await FileSettings.reading(given, configuration) { settings, reader in
            if settings.state == nil { reader.report(Settings.state.file, "is required") }
            return StateFiles(settings.state ?? PrivateFile(path: ""))
        }
    }
}
