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
    /// - Parameters:
    ///   - token: As for `update(showing:)`.
    ///   - change: Gives the caller as it is to be; `nil` if it is to go.
    func change(
        _ name: Name, showing token: NewToken? = nil,
        _ change: (CallersDocument.Entry) throws(FileProblem) -> CallersDocument.Entry?
    ) throws(FileProblem) {
        try update(showing: token) { document throws(FileProblem) in
            guard let entry = document[name] else { throw problem("there is no caller \(name) in it") }
            if let changed = try change(entry) {
                try set(changed, in: &document)
            } else {
                document.remove(name)
            }
        }
    }

    /// Changes the callers, and shows a new token just before the change takes effect: when everything that could prevent
    /// the change has been tried.
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
            throw FileProblem(path: error.path, reason: error.reason + "; the token that was shown is not valid")
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
