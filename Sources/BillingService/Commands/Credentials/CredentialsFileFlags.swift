import Adapters
import ArgumentParser
import Domain

/// The credentials file and its encryption keys, for the commands that manage the file: the same settings as a service.
struct CredentialsFileFlags: ParsableArguments, GivenSettings {
    @OptionGroup var credentials: SettingFlags<Settings.Credentials>
    @OptionGroup var sharedFiles: SettingFlags<Settings.SharedFiles>
    @OptionGroup var configuration: ConfigurationFlag

    var given: [String: String] { givenSettings }

    /// - Throws: `ConfigurationProblem`.
    func file() async throws -> CredentialsFile {
        try await files().file
    }

    /// The credentials file, and the file with its encryption keys, if there is one.
    ///
    /// - Throws: `ConfigurationProblem`.
    func files() async throws -> (file: CredentialsFile, keyFile: PrivateFile?) {
        try await FileSettings.reading(given, configuration) { settings, reader in
            (settings.credentials(required: &reader), settings.keyFile)
        }
    }
}

/// The name of a master account, as an argument.
struct MasterNameFlag: ParsableArguments {
    @Option(name: .customLong("name"), help: "The name of the master account.")
    var name: Name
}

extension CredentialsFile {
    /// The problem that the file does not contain a name.
    func unknown(_ name: Name) -> FileProblem {
        FileProblem(path: file.path, reason: "contains no master account \(name)")
    }

    /// Changes one master account.
    func change(_ name: Name, _ change: (inout CredentialsDocument, Int) -> Void) throws(FileProblem) {
        try update { document throws(FileProblem) in
            guard let index = document.masters.firstIndex(where: { $0.name == name }) else { throw unknown(name) }
            change(&document, index)
        }
    }
}
