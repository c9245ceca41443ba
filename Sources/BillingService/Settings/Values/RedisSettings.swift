import Adapters

/// The checked settings of a Redis that replicas share.
struct RedisSettings: Sendable {
    let url: RedisURL
    let user: String?
    let passwordFile: PrivateFile?
    let caFile: String?
    let keyPrefix: String

    /// - Returns: nil without `state.url`.
    init?(_ reader: inout SettingsReader) {
        let settings = Settings.state
        let mayBeShared = reader.value(Settings.sharedFiles.areAllowed)
        let given = reader.optional(settings.url)
        let passwordFile = reader.optional(settings.passwordFile)
        let user = reader.optional(settings.user)
        let caFile = reader.optional(settings.caFile)
        keyPrefix = reader.value(settings.keyPrefix)
        guard let url = given else {
            for setting in [
                settings.passwordFile.definition, settings.user.definition, settings.caFile.definition,
                settings.keyPrefix.definition,
            ]
            where reader.isGiven(setting) { reader.report(setting, "needs \(settings.url.key)") }
            return nil
        }
        for setting in [settings.file.definition, Settings.credentials.tokenFile.definition]
        where reader.isGiven(setting) {
            reader.report(settings.url, "cannot be combined with \(setting.key): Redis replaces the file")
        }
        if url.user != nil, user != nil {
            reader.report(settings.user, "cannot be combined with a user in \(settings.url.key)")
        }
        if url.user ?? user != nil, passwordFile == nil {
            reader.report(settings.passwordFile, "is required with a user")
        }
        if caFile != nil, !url.isTLS { reader.report(settings.caFile, "needs rediss:// in \(settings.url.key)") }
        self.url = url
        self.user = url.user ?? user
        self.passwordFile = passwordFile.map { PrivateFile(path: $0, mayBeShared: mayBeShared) }
        self.caFile = caFile
    }

    /// Reads the files once, so that a problem is reported at the start.
    ///
    /// - Throws: `ConfigurationProblem` for a file that cannot be used.
    func configuration() throws(ConfigurationProblem) -> RedisConfiguration {
        var configuration = RedisConfiguration(addresses: url.addresses)
        configuration.sentinelPrimary = url.sentinelPrimary
        configuration.database = url.database
        configuration.user = user
        configuration.keyPrefix = keyPrefix
        if url.isTLS {
            do throws(TLSFailure) {
                configuration.tls = try TLSContext(clientTrusting: caFile, offering: [])
            } catch {
                throw ConfigurationProblem(Settings.state.caFile.definition, error)
            }
        }
        if let passwordFile {
            _ = try ConfigurationProblem.naming(Settings.state.passwordFile) { () throws(FileProblem) in
                try passwordFile.firstLine()
            }
            configuration.password = { try passwordFile.firstLine() }
        }
        return configuration
    }
}

extension PrivateFile {
    /// The first line of the file, which must not be empty.
    func firstLine() throws(FileProblem) -> String {
        let bytes = try read().prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        guard !bytes.isEmpty else { throw FileProblem(path: path, reason: "its first line is empty") }
        return String(decoding: bytes, as: UTF8.self)
    }
}
