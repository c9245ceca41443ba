import Adapters

/// The checked settings of the files with credentials, access tokens, callers and idempotency keys.
struct FileSettings: Sendable {
    var credentials: CredentialsFile?
    var callers: CallersFile?

    /// The file in which replicas share access tokens.
    var tokens: PrivateFile?

    /// The file with the idempotency keys of changes.
    var state: PrivateFile?

    /// The file with the token for the operator's page.
    var opsToken: PrivateFile?

    /// The encryption keys of the credentials and the access tokens.
    var keys = SealingKeys.none

    /// The file with these keys; nil if there is none.
    var keyFile: PrivateFile?

    /// The environment variable with a key. It is not a setting, since settings are printed.
    private static let keyVariable = "BILLING_CREDENTIALS_KEY"

    init(_ reader: inout SettingsReader, environment: [String: String]) {
        let mayBeShared = reader.value(Settings.sharedFiles.areAllowed)
        func file(_ setting: Setting<String>) -> PrivateFile? {
            reader.optional(setting).map { PrivateFile(path: $0, mayBeShared: mayBeShared) }
        }
        let credentialsFile = file(Settings.credentials.file)
        keyFile = file(Settings.credentials.keyFile)
        callers = file(Settings.callers.file).map { CallersFile($0) }
        tokens = file(Settings.credentials.tokenFile)
        state = file(Settings.state.file)
        opsToken = file(Settings.ops.tokenFile)
        keys = keyFile.map { SealingKeys.file($0) } ?? .none
        if let text = environment[Self.keyVariable], !text.isEmpty {
            if keyFile != nil {
                reader.report(Settings.credentials.keyFile, "cannot be combined with \(Self.keyVariable)")
            }
            if let key = SealingKey(hexadecimal: text) {
                keys = .given(key)
            } else {
                reader.report(Settings.credentials.file, "\(Self.keyVariable) must be 64 hexadecimal digits")
            }
        }
        credentials = credentialsFile.map { CredentialsFile($0, keys: keys) }
    }

    /// Reads the settings for a command that manages the files.
    ///
    /// - Parameter given: The values of the flags, by the keys of their settings.
    /// - Throws: `ConfigurationProblem`, also for the problems that `body` reports.
    static func reading<Result>(
        _ given: [String: String], _ configuration: ConfigurationFlag,
        _ body: (FileSettings, inout SettingsReader) -> Result
    ) async throws -> Result {
        let environment = Invocation.environment
        var reader = try await SettingsReader(
            flags: given, environment: environment, file: configuration.file, groups: Settings.ofService)
        let settings = FileSettings(&reader, environment: environment)
        let result = body(settings, &reader)
        try reader.finish()
        return result
    }

    /// - Parameter alternative: What can be set instead, for the message.
    func credentials(required reader: inout SettingsReader, alternative: String = "") -> CredentialsFile {
        if credentials == nil { reader.report(Settings.credentials.file, "is required\(alternative)") }
        return credentials ?? CredentialsFile(PrivateFile(path: ""))
    }

    func callers(required reader: inout SettingsReader) -> CallersFile {
        if callers == nil { reader.report(Settings.callers.file, "is required") }
        return callers ?? CallersFile(PrivateFile(path: ""))
    }
}
