import Adapters
import FoundationEssentials
import Logging
import NIOCore

/// What `serve` needs to know, every value checked.
struct ServeSettings: Sendable {
    /// Where Zoom comes from.
    enum ZoomSource: Sendable {
        case sandbox(SandboxSettings)
        case real(api: ZoomConfiguration.Endpoint, oauth: ZoomConfiguration.Endpoint, credentialsFile: String)
    }

    var listener: ListenerSettings
    var opsHost: String
    var opsPort: Int
    var zoom: ZoomSource

    /// How connections to Zoom are made and kept, all but its TLS.
    var zoomHTTP: HTTPClient.Configuration
    var zoomCAFile: String?

    /// `nil` for no limit, which a sandbox without limits has.
    var requestsPerSecond: Double?
    var zoomTimeout: Duration
    var zoomWait: Duration
    var exportWindow: Int
    var callersFile: String?
    var logLevel: Logger.Level

    static let all: [Setting] =
        ListenerSettings.all + [
            .opsHost, .opsPort, .zoomAPIURL, .zoomOAuthURL, .zoomPlan, .zoomRateShare, .zoomTimeout,
            .zoomResolveTimeout, .zoomConnectTimeout, .zoomTLSTimeout, .zoomFirstByteTimeout, .zoomConnectionAge,
            .zoomQuiet, .zoomResolveInterval, .zoomCAFile, .zoomWait, .exportWindow, .credentialsFile, .callersFile,
            .logLevel, .sandbox, .sandboxAccounts, .sandboxLimits, .sandboxSeed,
        ]

    /// - Parameters:
    ///   - environment: Where `HTTPS_PROXY` and `NO_PROXY` are looked for, in either case.
    ///   - machine: What the limits are to fit into.
    /// - Throws: `ConfigurationProblem`, by `reader.finish`.
    init(
        _ reader: inout SettingsReader, environment: [String: String], machine: Machine = .this
    ) throws {
        let isSandbox = reader.flag(.sandbox)
        listener = ListenerSettings(&reader, isSandbox: isSandbox, machine: machine)
        opsHost = reader.text(.opsHost) ?? ""
        opsPort = reader.integer(.opsPort, in: 0...65_535)
        zoomHTTP = Self.zoomHTTP(&reader)
        do throws(ForwardProxies.Problem) {
            zoomHTTP.proxies = try ForwardProxies(
                httpsProxy: environment["HTTPS_PROXY"] ?? environment["https_proxy"],
                noProxy: environment["NO_PROXY"] ?? environment["no_proxy"])
        } catch {
            reader.report(.zoomAPIURL, "\(error)")
        }
        zoomCAFile = reader.text(.zoomCAFile)
        zoomTimeout = reader.duration(.zoomTimeout, in: .milliseconds(100) ... .seconds(300))
        zoomWait = reader.duration(.zoomWait, in: .zero ... .seconds(300))
        exportWindow = reader.integer(.exportWindow, in: 1...1000)
        callersFile = reader.text(.callersFile)
        logLevel = reader.choice(.logLevel) ?? .info

        let sandbox = SandboxSettings(&reader)
        let plan: ZoomPlan? = reader.choice(.zoomPlan)
        let share = reader.share(.zoomRateShare)
        let credentialsFile = reader.text(.credentialsFile)

        if isSandbox {
            for setting in [Setting.zoomAPIURL, .zoomOAuthURL, .zoomPlan, .zoomCAFile, .credentialsFile]
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

    private static func zoomHTTP(_ reader: inout SettingsReader) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration.zoom
        func time(_ setting: Setting, secondsMax: Int = 300) -> TimeAmount {
            TimeAmount(reader.duration(setting, in: .milliseconds(10) ... .seconds(secondsMax)))
        }
        configuration.resolve = time(.zoomResolveTimeout)
        configuration.connect = time(.zoomConnectTimeout)
        configuration.tlsHandshake = time(.zoomTLSTimeout)
        configuration.firstByte = time(.zoomFirstByteTimeout)
        configuration.timeouts.connectionAge = time(.zoomConnectionAge, secondsMax: 86_400)
        configuration.quiet = time(.zoomQuiet, secondsMax: 3600)
        configuration.resolveEvery = time(.zoomResolveInterval, secondsMax: 86_400)
        return configuration
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
        let isLoopback = host == "localhost" || host == "127.0.0.1" || host == "::1" || host == "[::1]"
        guard scheme == .https || isLoopback else {
            reader.report(setting, "\"\(text)\" would send credentials in clear text off this machine")
            return nil
        }
        let port = url.port ?? (scheme == .https ? 443 : 80)
        guard (1...65_535).contains(port) else {
            reader.report(setting, "\"\(text)\" has no port that is one")
            return nil
        }
        let origin = Origin(scheme: scheme, host: host.filter { $0 != "[" && $0 != "]" }, port: port)
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
