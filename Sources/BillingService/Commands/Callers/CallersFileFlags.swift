import Adapters
import ArgumentParser
import Domain

/// The callers file, for the commands that manage it: the same settings as a service.
struct CallersFileFlags: ParsableArguments {
    @OptionGroup var callers: SettingFlags<Settings.Callers>
    @OptionGroup var sharedFiles: SettingFlags<Settings.SharedFiles>
    @OptionGroup var configuration: ConfigurationFlag

    /// - Throws: `ConfigurationProblem`.
    func file() async throws -> CallersFile {
        try await FileSettings.reading(givenSettings, configuration) { settings, reader in
            settings.callers(required: &reader)
        }
    }
}

/// The name of a caller, as an argument.
struct CallerNameFlag: ParsableArguments {
    @Option(name: .customLong("name"), help: "The name of the caller.")
    var name: Name
}

extension CallersFile {
    func problem(_ reason: String) -> FileProblem { FileProblem(path: file.path, reason: reason) }

    /// Changes or removes one caller.
    ///
    /// - Parameters:
    ///   - token: A new token to show; see `update(showing:)`.
    ///   - change: Returns the changed caller, or nil to remove it.
    func change(
        _ name: Name, showing token: NewToken? = nil,
        _ change: (CallersDocument.Entry) throws(FileProblem) -> CallersDocument.Entry?
    ) throws(FileProblem) {
        try update(showing: token) { document throws(FileProblem) in
            guard let entry = document[name] else { throw problem("contains no caller \(name)") }
            if let changed = try change(entry) {
                try set(changed, in: &document)
            } else {
                document.remove(name)
            }
        }
    }

    /// Changes the callers. Shows a new token as the last step before the change takes effect, after everything that can
    /// fail.
    func update(
        showing token: NewToken?, _ change: (inout CallersDocument) throws(FileProblem) -> Void
    ) throws(FileProblem) {
        var isShown = false
        do throws(FileProblem) {
            try update(change) { () throws(FileProblem) in
                guard let token else { return }
                try token.show()
                isShown = true
            }
        } catch {
            guard isShown else { throw error }
            throw FileProblem(path: error.path, reason: error.reason + "; the token shown is not valid")
        }
    }

    func set(_ entry: CallersDocument.Entry, in document: inout CallersDocument) throws(FileProblem) {
        do throws(DocumentProblem) {
            try document.set(entry)
        } catch {
            throw problem("\(error)")
        }
    }
}
