import Adapters
import ArgumentParser
import Domain

/// Where the callers file is, for the commands that manage it: found as a service would find it.
struct CallersFileFlags: ParsableArguments {
    @OptionGroup var callers: CallersFlags
    @OptionGroup var shared: SharedFileFlag
    @OptionGroup var configuration: ConfigurationFlag

    /// - Throws: `ConfigurationProblem`.
    func file() async throws -> CallersFile {
        try await FileSettings.reading([callers, shared], configuration) { settings, reader in
            settings.callers(needed: &reader)
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

    /// Changes one of the callers.
    ///
    /// - Parameter change: Gives the caller as it is to be; `nil` if it is to go.
    func change(
        _ name: Name, _ change: (CallersDocument.Entry) throws(FileProblem) -> CallersDocument.Entry?
    ) throws(FileProblem) {
        try update { document throws(FileProblem) in
            guard let entry = document[name] else { throw problem("there is no caller \(name) in it") }
            if let changed = try change(entry) {
                try set(changed, in: &document)
            } else {
                document.remove(name)
            }
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
