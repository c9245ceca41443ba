import Adapters
import Domain
import NIOCore

/// What `serve` needs to know, every value checked.
struct ServeSettings: Sendable {
    /// Where Zoom comes from.
    enum ZoomSource: Sendable {
        case sandbox(SandboxSettings)
        case real(CredentialsFile)
    }

    var listener: ListenerSettings
    var opsHost: String
    var opsPort: Int
    var source: ZoomSource
    var zoom: ZoomSettings
    var cache: CacheRules
    var refreshInterval: Duration
    var exportWindow: Int
    var callers: CallersFile?
    var tokens: (file: PrivateFile, keys: SealingKeys)?
    var log: LogSettings
    var trace: TraceSettings
    var accessSample: Double

    /// What the program was started with.
    var environment: [String: String]

    static let all: [Setting] =
        ListenerSettings.all + [.opsHost, .opsPort] + ZoomSettings.all + CacheSettings.all + [
            .refreshInterval, .exportWindow,
        ]
        + FileSettings.all + LogSettings.all + [.logAccessSample] + TraceSettings.all + [.sandbox]
        + SandboxSettings.all

    var requestTimeout: Duration {
        .nanoseconds(listener.configuration.timeouts.request.nanoseconds)
    }

    /// How long a lookup may wait for permits and be tried again, so that its caller is told why it failed (429, 502) before
    /// `http.timeouts.request` answers 504: all but what one call to Zoom may take, and at least half.
    var interactiveTimeMax: Duration {
        requestTimeout - min(zoom.timeout, requestTimeout / 2)
    }

    /// - Parameters:
    ///   - environment: Where `HTTPS_PROXY`, `NO_PROXY` and the key of the credentials are looked for.
    ///   - machine: What the limits are to fit into.
    /// - Throws: `ConfigurationProblem`, by `reader.finish`.
    init(
        _ reader: inout SettingsReader, environment: [String: String], machine: Machine = .this
    ) throws {
        self.environment = environment
        let isSandbox = reader.flag(.sandbox)
        listener = ListenerSettings(&reader, isSandbox: isSandbox, machine: machine)
        opsHost = reader.text(.opsHost) ?? ""
        opsPort = reader.integer(.opsPort, in: 0...65_535)
        zoom = ZoomSettings(&reader, environment: environment)
        cache = CacheSettings.rules(&reader, machine: machine)
        refreshInterval = reader.duration(.refreshInterval, in: .zero ... .seconds(7 * 86_400))
        if refreshInterval > .zero, refreshInterval < .seconds(60) {
            reader.report(.refreshInterval, "must be 0s or at least 1m")
        } else if refreshInterval > cache.ttl {
            reader.report(
                .refreshInterval, "is longer than cache.ttl: what it asks for would be old before it is asked for again"
            )
        }
        exportWindow = reader.integer(.exportWindow, in: 1...1000)
        let files = FileSettings(&reader, environment: environment)
        callers = files.callers
        tokens = files.tokens.map { ($0, files.keys) }
        log = LogSettings(&reader)
        accessSample = reader.share(.logAccessSample)
        trace = TraceSettings(&reader)
        let sandbox = SandboxSettings(&reader)
        if isSandbox {
            for setting in [
                Setting.zoomAPIURL, .zoomOAuthURL, .zoomPlan, .zoomCAFile, .credentialsFile, .credentialsKeyFile,
            ]
            where reader.isGiven(setting) {
                reader.report(setting, "has no meaning together with sandbox")
            }
            source = .sandbox(sandbox)
        } else {
            source = .real(files.credentials(needed: &reader, or: " (or sandbox, to try things out)"))
        }
        try reader.finish()
    }
}
