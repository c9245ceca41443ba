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

    private struct ColorFlag: ParsableArguments {
        // No setting: the terminal of one user is no concern of a configuration file, and all programs share NO_COLOR.
        @Option(help: "When to use colours. auto is on a terminal, unless NO_COLOR is set.")
        var color = ColorChoice.auto
    }

    static let parts: [ArgumentsPart<CommonFlags>] = [
        .init(\.configuration), .init(\.printing), .init(\.coloring), .init(\.log),
    ]

    private(set) var configuration = ConfigurationFlag()
    private var printing = PrintingFlag()
    private var coloring = ColorFlag()
    private var log = SettingFlags<Settings.Log>()

    var printsConfiguration: Bool { printing.printsConfiguration }
    var color: ColorChoice { coloring.color }
}
