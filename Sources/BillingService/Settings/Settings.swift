/// All settings of the program. Each group is declared in one file.
enum Settings {
    static let http = HTTP()
    static let timeouts = Timeouts()
    static let limits = Limits()
    static let ops = Ops()
    static let shutdown = Shutdown()
    static let credentials = Credentials()
    static let callers = Callers()
    static let state = State()
    static let sharedFiles = SharedFiles()
    static let zoom = Zoom()
    static let writes = Writes()
    static let cache = Cache()
    static let streams = Streams()
    static let log = Log()
    static let accessLog = AccessLog()
    static let trace = Trace()
    static let embeddedSandbox = EmbeddedSandbox()
    static let sandbox = Sandbox()
    static let sandboxListener = SandboxListener()

    /// The groups of a service, in the order of the reference page. Their settings may be in the configuration file of
    /// every command that knows a service.
    static let ofService: [any SettingGroup.Type] = [
        HTTP.self, Timeouts.self, Limits.self, Ops.self, Shutdown.self, Credentials.self, Callers.self,
        State.self, SharedFiles.self, Zoom.self, Writes.self, Cache.self, Streams.self, Log.self, AccessLog.self,
        Trace.self,
        EmbeddedSandbox.self, Sandbox.self,
    ]

    /// The groups of the `sandbox` command.
    static let ofSandbox: [any SettingGroup.Type] = [Log.self, Sandbox.self, SandboxListener.self]

    static let all: [any SettingGroup.Type] = ofService + [SandboxListener.self]
}
