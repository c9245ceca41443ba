import Adapters
import FoundationEssentials

/// Where the files with credentials and callers are, and what opens them.
struct FileSettings: Sendable {
    var credentials: CredentialsFile?
    var callers: CallersFile?

    /// Where replicas share access tokens.
    var tokens: PrivateFile?

    /// What opens the files of credentials and of tokens.
    var keys = SealingKeys.none

    /// The file of the keys of the credentials, if they are in one.
    var keyFile: PrivateFile?

    static let all: [Setting] = [.credentialsFile, .credentialsKeyFile, .zoomTokenFile, .callersFile, .allowSharedFile]

    /// Holds a key itself, and so is no setting: settings are printed.
    private static let keyVariable = "BILLING_CREDENTIALS_KEY"

    init(_ reader: inout SettingsReader, environment: [String: String]) {
        let mayBeShared = reader.flag(.allowSharedFile)
        func file(_ setting: Setting) -> PrivateFile? {
            reader.text(setting).map { PrivateFile(path: $0, mayBeShared: mayBeShared) }
        }
        let credentialsFile = file(.credentialsFile)
        keyFile = file(.credentialsKeyFile)
        callers = file(.callersFile).map { CallersFile($0) }
        tokens = file(.zoomTokenFile)
        keys = keyFile.map { SealingKeys.file($0) } ?? .none
        if let text = environment[Self.keyVariable], !text.isEmpty {
            if keyFile != nil {
                reader.report(.credentialsKeyFile, "has no meaning together with \(Self.keyVariable)")
            }
            if let key = SealingKey(hexadecimal: text) {
                keys = .given(key)
            } else {
                reader.report(.credentialsFile, "\(Self.keyVariable) must be 64 hexadecimal digits")
            }
        }
        credentials = credentialsFile.map { CredentialsFile($0, keys: keys) }
    }

    /// For commands that do something with the files.
    ///
    /// - Throws: `ConfigurationProblem`, also for what `body` reports.
    static func reading<Result>(
        _ flags: [any SettingFlags], _ configuration: ConfigurationFlag,
        _ body: (FileSettings, inout SettingsReader) -> Result
    ) async throws -> Result {
        let environment = Invocation.environment
        var reader = try await SettingsReader(
            flags: flags.values, environment: environment, file: configuration.file, known: ServeSettings.all)
        let settings = FileSettings(&reader, environment: environment)
        let result = body(settings, &reader)
        try reader.finish()
        return result
    }

    func credentials(needed reader: inout SettingsReader, or other: String = "") -> CredentialsFile {
        if credentials == nil { reader.report(.credentialsFile, "is needed\(other)") }
        return credentials ?? CredentialsFile(PrivateFile(path: ""))
    }

    func callers(needed reader: inout SettingsReader) -> CallersFile {
        if callers == nil { reader.report(.callersFile, "is needed") }
        return callers ?? CallersFile(PrivateFile(path: ""))
    }
}
