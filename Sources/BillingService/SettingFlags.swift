import ArgumentParser

extension Option where Value == String? {
    /// The flag of a setting. What it holds is checked with everything else, not here, so that a wrong value is told in
    /// the same words wherever it comes from.
    init(_ setting: Setting) {
        var help = ArgumentHelp(
            stringLiteral: setting.summary + (setting.defaultText.map { " (default: \($0))" } ?? ""))
        help.valueName = setting.valueName
        self.init(name: .customLong(setting.flagName), help: help)
    }
}

/// The flags every command has.
struct CommonFlags: ParsableArguments {
    @Option(
        name: .customLong("config"),
        help: "JSON file with settings, nested by the dots of their names: {\"http\": {\"port\": 8080}}.")
    var configurationFile: String?

    @Flag(name: .customLong("print-config"), help: "Print the settings that result, and exit.")
    var printsConfiguration = false

    @Option(.logLevel) var logLevel

    var values: [Setting: String] {
        [.logLevel: logLevel].compactMapValues { $0 }
    }
}

/// The flags that shape a sandbox.
struct SandboxFlags: ParsableArguments {
    @Option(.sandboxAccounts) var accounts
    @Option(.sandboxLimits) var limits
    @Option(.sandboxSeed) var seed

    var values: [Setting: String] {
        [.sandboxAccounts: accounts, .sandboxLimits: limits, .sandboxSeed: seed].compactMapValues { $0 }
    }
}
