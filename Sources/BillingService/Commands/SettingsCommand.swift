import ArgumentParser

/// Prints the reference of all settings: docs/settings.md is its output.
struct SettingsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "settings",
        abstract: "Print the reference of all settings, as Markdown.",
        discussion: "Exit codes: 0 success, 1 failed, 64 wrong usage.")

    private static let introduction = """
        # Settings

        Each setting has a flag, an environment variable and a place in the JSON file of `--config`. For example, `http.port`
        is `--http-port`, `BILLING_HTTP_PORT` and `{"http": {"port": 8080}}`. A flag overrides the variable, the variable
        overrides the file, and the file overrides the default.

        Check your settings with `billing-service serve --print-config`: it prints the resulting settings. If some are wrong,
        it prints all problems at once, with exit code 78.

        | Values | Notation |
        |---|---|
        | duration | `500ms`, `10s`, `2m`, `1h`, `1d` |
        | size | bytes, as `65536`, `64KiB`, `1MiB` or `2GiB` |
        | share | a fraction, as `0.8` |
        | rate | `200,20/s`: a burst of 200, then 20 per second |
        | ranges | IP addresses and CIDR ranges, as `10.0.0.0/8,::1` |

        In the JSON file, write whole numbers and shares as numbers, sizes as numbers or strings, flags as `true` or `false`,
        and all other values as strings. Unknown names, repeated names, values of another type and `null` are errors.

        Changes take effect after a restart, except for `log.level`. The files that settings name (credentials, callers,
        certificates) are read again when they change.

        This page is the output of `billing-service settings`.

        """

    func run() throws {
        var text = Self.introduction
        var title = ""
        for group in Settings.all {
            if group.title != title {
                title = group.title
                text += "\n## \(title)\n\n| Setting | Values | Default | Meaning |\n|---|---|---|---|\n"
            }
            for setting in group.definitions { text += setting.row }
        }
        try Output.write(text)
    }
}

extension SettingDefinition {
    /// The row in the table of the reference.
    fileprivate var row: String {
        let values = format.allowed ?? (format.valueName.isEmpty ? "flag" : format.valueName)
        let summary = summary.replacing("|", with: "\\|")
        return "| `\(key)` | \(values) | \(defaultText ?? "–") | \(summary) |\n"
    }
}
