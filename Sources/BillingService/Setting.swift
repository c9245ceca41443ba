/// One setting of the service: its name, what it means, and what holds where nobody says otherwise.
///
/// The flag, the variable of the environment, the place in the file, `--help` and `--print-config` all come from here.
struct Setting: Sendable, Hashable {
    /// Dotted, as in the file: `http.port`.
    let key: String

    /// As somebody would write it; `nil` where there is none.
    let defaultText: String?

    /// What stands for the value in `--help`.
    let valueName: String

    /// What it means, with its unit and its range.
    let summary: String

    init(_ key: String, default defaultText: String?, _ valueName: String, _ summary: String) {
        self.key = key
        self.defaultText = defaultText
        self.valueName = valueName
        self.summary = summary
    }

    /// `--http-port`, without the dashes in front.
    var flagName: String { key.replacing(".", with: "-") }

    /// `BILLING_HTTP_PORT`.
    var variableName: String { "BILLING_" + keyAsVariable }

    /// `HTTP_PORT`.
    var keyAsVariable: String { key.uppercased().replacing(".", with: "_").replacing("-", with: "_") }
}

extension Setting {
    static let httpHost = Setting(
        "http.host", default: "127.0.0.1", "address", "Address to listen on; 0.0.0.0 or :: for all.")
    static let httpPort = Setting(
        "http.port", default: "8080", "port", "Port to listen on, 0 to 65535; 0 lets the system choose.")
    static let httpEventLoops = Setting(
        "http.event-loops", default: "0", "count",
        "Threads that serve connections, 1 to 256; 0 takes one for each core.")
    static let shutdownGrace = Setting(
        "shutdown.grace", default: "20s", "time",
        "How long requests under way may take to end after SIGTERM, 0s to 1h; then they are cut off.")
    static let zoomAPIURL = Setting(
        "zoom.api-url", default: "https://api.zoom.us/v2", "url", "Zoom's API. http is taken for loopback alone.")
    static let zoomOAuthURL = Setting(
        "zoom.oauth-url", default: "https://zoom.us/oauth/token", "url", "Zoom's token endpoint; likewise.")
    static let zoomPlan = Setting(
        "zoom.plan", default: "pro", "plan",
        "The master account's plan, which sets Zoom's rate limits: free, pro, or business (and all above it).")
    static let zoomRateShare = Setting(
        "zoom.rate-share", default: "0.8", "share",
        "How much of the plan's rate to use, above 0 to 1. Zoom counts all programs of the account together.")
    static let zoomTimeout = Setting(
        "zoom.timeout", default: "10s", "time", "How long one call to Zoom may take, 100ms to 5m.")
    static let zoomWait = Setting(
        "zoom.wait", default: "10s", "time",
        "How long a single lookup may wait for its turn before it is answered 429, 0s to 5m.")
    static let exportWindow = Setting(
        "export.window", default: "64", "count", "Lookups a stream has under way at a time, 1 to 1000.")
    static let credentialsFile = Setting(
        "credentials.file", default: nil, "path",
        "File with the master account's credentials. Needed without a sandbox.")
    static let callersFile = Setting(
        "callers.file", default: nil, "path", "File with the programs that may call. Needed without a sandbox.")
    static let logLevel = Setting(
        "log.level", default: "info", "level", "trace, debug, info, notice, warning, error or critical.")
    static let sandbox = Setting(
        "sandbox", default: "false", "", "Serve an embedded Zoom instead of the real one: nothing else is needed.")
    static let sandboxAccounts = Setting(
        "sandbox.accounts", default: "1000", "count", "Sub accounts of the sandbox, 0 to 10000000.")
    static let sandboxLimits = Setting(
        "sandbox.limits", default: "none", "plan",
        "Rate limits the sandbox keeps: none, free, pro or business. The service keeps to the same plan.")
    static let sandboxSeed = Setting(
        "sandbox.seed", default: "1", "number", "The same seed makes the same sub accounts.")
    static let sandboxPort = Setting(
        "sandbox.port", default: "8090", "port", "Port of the sandbox, 0 to 65535; 0 lets the system choose.")
    static let sandboxCredentialsFile = Setting(
        "sandbox.credentials-file", default: nil, "path",
        "Where to write the credentials of the sandbox's app, for credentials.file of a service.")
}
