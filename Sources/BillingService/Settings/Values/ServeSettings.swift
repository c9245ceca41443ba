import Adapters
import Domain
import NIOCore

/// The checked settings of a service.
struct ServeSettings: Sendable {
    /// Whether the service calls Zoom or an embedded sandbox.
    enum ZoomSource: Sendable {
        case sandbox(SandboxSettings)
        case real(CredentialsFile)
    }

    var listener: ListenerSettings
    var opsHost: String
    var opsPort: Int

    /// The file with the token for the operator's page; nil if the page needs none.
    var opsToken: PrivateFile?
    var source: ZoomSource
    var zoom: ZoomSettings
    var cache: CacheRules
    var accountLists: AccountListCache.Rules
    var writes: WriteSettings
    var refreshInterval: Duration
    var exportWindow: Int
    var callers: CallersFile?
    var tokens: (file: PrivateFile, keys: SealingKeys)?

    /// The file with the idempotency keys of changes and, beside it, the cached answers; nil to have them in memory.
    var stateFile: PrivateFile?

    /// The Redis that replicas share; nil if there is none.
    var redis: RedisSettings?
    var idempotencyWindow: Duration
    var answers: AnswersStore.Rules

    /// The encryption keys of stored answers: those of the credentials.
    var stateKeys: SealingKeys
    var log: LogSettings
    var trace: TraceSettings
    var accessSample: Double

    /// The environment variables of the program.
    var environment: [String: String]

    var requestTimeout: Duration {
        .nanoseconds(listener.configuration.timeouts.request.nanoseconds)
    }

    /// How long a lookup may wait for permits and be retried: the request timeout minus the timeout of one call to Zoom, but
    /// at least half of the request timeout. The caller then gets the reason (429, 502) instead of a 504.
    var interactiveTimeMax: Duration {
        requestTimeout - min(zoom.timeout, requestTimeout / 2)
    }

    /// - Parameters:
    ///   - environment: May contain `HTTPS_PROXY`, `NO_PROXY` and the encryption key of the credentials.
    ///   - machine: The resources that the limits must fit into.
    /// - Throws: `ConfigurationProblem` with all problems that `reader` has collected.
    init(
        _ reader: inout SettingsReader, environment: [String: String], machine: Machine = .this
    ) throws {
        self.environment = environment
        let isSandbox = reader.value(Settings.embeddedSandbox.isUsed)
        listener = ListenerSettings(&reader, isSandbox: isSandbox, machine: machine)
        opsHost = reader.value(Settings.ops.host)
        opsPort = reader.value(Settings.ops.port)
        zoom = ZoomSettings(&reader, environment: environment)
        cache = CacheSettings.rules(&reader, machine: machine)
        accountLists = CacheSettings.accountLists(&reader, machine: machine)
        refreshInterval = CacheSettings.refreshInterval(&reader, ttl: cache.ttl)
        writes = WriteSettings(
            &reader, requestTimeout: .nanoseconds(listener.configuration.timeouts.request.nanoseconds),
            zoomTimeout: zoom.timeout)
        exportWindow = reader.value(Settings.streams.window)
        let files = FileSettings(&reader, environment: environment)
        opsToken = files.opsToken
        callers = files.callers
        tokens = files.tokens.map { ($0, files.keys) }
        stateFile = files.state
        redis = RedisSettings(&reader)
        stateKeys = files.keys
        idempotencyWindow = reader.value(Settings.state.window)
        answers = AnswersStore.Rules()
        answers.writeInterval = reader.value(Settings.state.writeInterval)
        answers.retention = reader.value(Settings.state.retention)
        log = LogSettings(&reader)
        accessSample = reader.value(Settings.accessLog.sample)
        trace = TraceSettings(&reader)
        let sandbox = SandboxSettings(&reader)
        if isSandbox {
            let (zoom, credentials) = (Settings.zoom, Settings.credentials)
            for setting in [
                zoom.apiURL.definition, zoom.oauthURL.definition, zoom.plan.definition, zoom.caFile.definition,
                credentials.file.definition, credentials.keyFile.definition,
            ]
            where reader.isGiven(setting) {
                reader.report(setting, "cannot be combined with \(Settings.embeddedSandbox.isUsed.key)")
            }
            source = .sandbox(sandbox)
        } else {
            source = .real(files.credentials(required: &reader, alternative: " (or sandbox, to try the service)"))
        }
        try reader.finish()
    }
}
