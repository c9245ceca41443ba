import Adapters
import ArgumentParser
import Domain

/// Where the credentials file is and what opens it, for the commands that manage it: found as a service would find it.
struct CredentialsFileFlags: ParsableArguments {
    @OptionGroup var credentials: CredentialsFlags
    @OptionGroup var shared: SharedFileFlag
    @OptionGroup var configuration: ConfigurationFlag

    var flags: [any SettingFlags] { [credentials, shared] }

    /// - Throws: `ConfigurationProblem`.
    func file() async throws -> CredentialsFile {
        try await files().file
    }

    /// Likewise, and the file of the keys, if they are in one.
    func files() async throws -> (file: CredentialsFile, keyFile: PrivateFile?) {
        try await FileSettings.reading(flags, configuration) { settings, reader in
            (settings.credentials(needed: &reader), settings.keyFile)
        }
    }
}

/// The name of a master account, as an argument.
struct MasterNameFlag: ParsableArguments {
    @Option(name: .customLong("name"), help: "The name of the master account.")
    var name: Name
}

extension CredentialsFile {
    /// What a command says of a name that is not in the file.
    func unknown(_ name: Name) -> FileProblem {
        FileProblem(path: file.path, reason: "there is no master account \(name) in it")
    }

    /// Changes one of the master accounts.
    func change(_ name: Name, _ change: (inout CredentialsDocument, Int) -> Void) throws(FileProblem) {
        try update { document throws(FileProblem) in
            guard let index = document.masters.firstIndex(where: { $0.name == name }) else { throw unknown(name) }
            change(&document, index)
        }
    }
}
