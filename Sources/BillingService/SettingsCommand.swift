import ArgumentParser

/// Prints what every setting is: the reference in the docs is its output.
struct SettingsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "settings",
        abstract: "Print the reference of all settings, as Markdown.",
        discussion: "Exit codes: 0 done, 64 wrong usage.")

    /// Chapters by the first word of a setting's name, in this order.
    private static let chapters: [(word: String, title: String)] = [
        ("http", "The listener that programs call"), ("ops", "The listener for operators"),
        ("shutdown", "Shutting down"), ("credentials", "Credentials"), ("callers", "Callers"),
        ("allow-shared-file", "Files that others may use"), ("zoom", "Zoom"), ("cache", "What is kept"),
        ("refresh", "Background refresh"), ("export", "Streams"), ("log", "The log"), ("trace", "Traces"),
        ("sandbox", "The sandbox"),
    ]

    private static let introduction = """
        # Settings

        Each setting is a flag, a variable of the environment and a place in the JSON file of `--config`: `http.port` is
        `--http-port`, `BILLING_HTTP_PORT` and `{"http": {"port": 8080}}`. Flags go before variables, those before the file,
        and that before the default. `billing-service serve --print-config` prints what results; everything that is wrong is
        said at once, with exit code 78.

        Times are written `500ms`, `10s`, `2m`, `1h` or `1d`; sizes `65536`, `64KiB`, `1MiB` or `2GiB`; rates `200,20/s`: so
        many at once, and so many a second after that; addresses `10.0.0.0/8,::1`.

        In the file a whole number or a share is a number, a size is a number or a text, and a setting that is on or off is
        `true` or `false`; every other value is a text. A name that is not a setting, a name that is there twice and a value of
        another type are refused, as is `null`.

        Settings hold from start to end, but for `log.level`. What is in the files that settings name is read again when it
        changes: credentials, callers, certificates.

        This page is what `billing-service settings` prints.

        """

    func run() throws {
        var text = Self.introduction
        for (word, title) in Self.chapters {
            let settings = Setting.all.filter { $0.key.split(separator: ".").first.map(String.init) == word }
            text += "\n## \(title)\n\n| Setting | Default | Meaning |\n|---|---|---|\n"
            for setting in settings {
                text += "| `\(setting.key)` | \(setting.defaultCell) | \(setting.summaryCell) |\n"
            }
        }
        try Output.write(text)
    }
}

extension Setting {
    /// All there are, each once.
    static let all: [Setting] = {
        var known: Set<Setting> = []
        return (ServeSettings.all + SandboxCommand.settings).filter { known.insert($0).inserted }
    }()

    fileprivate var defaultCell: String {
        guard let defaultText, !defaultText.isEmpty else { return "–" }
        return "`\(defaultText)`"
    }

    fileprivate var summaryCell: String { summary.replacing("|", with: "\\|") }
}
