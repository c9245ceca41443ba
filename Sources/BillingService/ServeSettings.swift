import Adapters
import FoundationEssentials
import Logging

/// What `serve` needs to know, every value checked.
struct ServeSettings: Sendable {
    /// Where Zoom comes from.
    enum ZoomSource: Sendable {
        case sandbox(SandboxSettings)
        case real(api: ZoomConfiguration.Endpoint, oauth: ZoomConfiguration.Endpoint, credentialsFile: String)
    }

    var httpHost: String
    var httpPort: Int
    var httpEventLoops: Int
    var shutdownGrace: Duration
    var zoom: ZoomSource
    /// `nil` for no limit, which a sandbox without limits has.
    var requestsPerSecond: Double?
    var zoomTimeout: Duration
    var zoomWait: Duration
    var exportWindow: Int
    var callersFile: String?
    var logLevel: Logger.Level

    static let all: [Setting] = [
        .httpHost, .httpPort, .httpEventLoops, .shutdownGrace, .zoomAPIURL, .zoomOAuthURL, .zoomPlan, .zoomRateShare,
        .zoomTimeout, .zoomWait, .exportWindow, .credentialsFile, .callersFile, .logLevel, .sandbox, .sandboxAccounts,
        .sandboxLimits, .sandboxSeed,
    ]

    /// - Throws: `ConfigurationProblem`, by `reader.finish`.
    init(_ reader: inout SettingsReader) throws {
        httpHost = reader.text(.httpHost) ?? ""
        httpPort = reader.integer(.httpPort, in: 0...65_535)
        httpEventLoops = reader.integer(.httpEventLoops, in: 0...256)
        shutdownGrace = reader.duration(.shutdownGrace, in: .zero ... .seconds(3600))
        zoomTimeout = reader.duration(.zoomTimeout, in: .milliseconds(100) ... .seconds(300))
        zoomWait = reader.duration(.zoomWait, in: .zero ... .seconds(300))
        exportWindow = reader.integer(.exportWindow, in: 1...1000)
        callersFile = reader.text(.callersFile)
        logLevel = reader.choice(.logLevel) ?? .info

        let isSandbox = reader.flag(.sandbox)
        let sandbox = SandboxSettings(&reader)
        let plan: ZoomPlan? = reader.choice(.zoomPlan)
        let share = reader.share(.zoomRateShare)
        let credentialsFile = reader.text(.credentialsFile)

        if isSandbox {
            for setting in [Setting.zoomAPIURL, .zoomOAuthURL, .zoomPlan, .credentialsFile]
            where reader.isGiven(setting) {
                reader.report(setting, "has no meaning together with sandbox")
            }
            zoom = .sandbox(sandbox)
            requestsPerSecond = ZoomPlan(rawValue: sandbox.limits.rawValue).map { $0.mediumPerSecond * share }
        } else {
            if credentialsFile == nil { reader.report(.credentialsFile, "is needed (or sandbox, to try things out)") }
            if callersFile == nil { reader.report(.callersFile, "is needed (or sandbox, to try things out)") }
            requestsPerSecond = plan.map { $0.mediumPerSecond * share }
            let nowhere = ZoomConfiguration.Endpoint(origin: Origin(scheme: .http, host: "", port: 0), path: "")
            let api = Self.endpoint(.zoomAPIURL, &reader)
            let oauth = Self.endpoint(.zoomOAuthURL, &reader)
            zoom = .real(api: api ?? nowhere, oauth: oauth ?? nowhere, credentialsFile: credentialsFile ?? "")
        }
        try reader.finish()
    }

    /// An address of Zoom's. In clear text to this machine alone: a token must not cross a network for all to see.
    private static func endpoint(_ setting: Setting, _ reader: inout SettingsReader) -> ZoomConfiguration.Endpoint? {
        guard let text = reader.text(setting) else { return nil }
        guard let url = URL(string: text), let scheme = url.scheme.flatMap(Origin.Scheme.init), let host = url.host(),
            !host.isEmpty, url.query() == nil, url.fragment() == nil, url.user() == nil
        else {
            reader.report(setting, "\"\(text)\" is not an address such as https://host/path")
            return nil
        }
        guard scheme == .http else {
            reader.report(
                setting,
                "\(text): TLS to Zoom is not built in yet; run a proxy on this machine that adds it, and name that with http"
            )
            return nil
        }
        let isLoopback = host == "localhost" || host == "127.0.0.1" || host == "::1" || host == "[::1]"
        guard isLoopback else {
            reader.report(setting, "\"\(text)\" would send credentials in clear text off this machine")
            return nil
        }
        let origin = Origin(scheme: scheme, host: host.filter { $0 != "[" && $0 != "]" }, port: url.port ?? 80)
        let path = url.path()
        return ZoomConfiguration.Endpoint(origin: origin, path: path.hasSuffix("/") ? String(path.dropLast()) : path)
    }
}

/// What a sandbox needs to know.
struct SandboxSettings: Sendable {
    var accounts: Int
    var limits: SandboxConfiguration.Limits
    var seed: UInt64

    init(_ reader: inout SettingsReader) {
        accounts = reader.integer(.sandboxAccounts, in: 0...10_000_000)
        limits = reader.choice(.sandboxLimits) ?? .none
        seed = UInt64(reader.integer(.sandboxSeed, in: 0...Int.max))
    }
}
