import ArgumentParser

/// The flag that names the configuration file.
struct ConfigurationFlag: ParsableArguments {
    @Option(
        name: .customLong("config"),
        help: "JSON file with settings, nested at the dots of their names: {\"http\": {\"port\": 8080}}.",
        completion: .file())
    var file: String?
}

/// The flags of every command that runs or calls a service.
struct CommonFlags: ArgumentsInParts {
    private struct PrintingFlag: ParsableArguments {
        @Flag(name: .customLong("print-config"), help: "Print the resulting settings, and exit.")
        var printsConfiguration = false
    }

    static let parts: [ArgumentsPart<CommonFlags>] = [.init(\.configuration), .init(\.printing), .init(\.log)]

    private(set) var configuration = ConfigurationFlag()
    private var printing = PrintingFlag()
    private var log = SettingFlags<Settings.Log>()

    var printsConfiguration: Bool { printing.printsConfiguration }
}
