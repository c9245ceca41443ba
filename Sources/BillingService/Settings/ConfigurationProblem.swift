/// What is wrong with the configuration, one line per problem. Ends the program with `EX_CONFIG`.
struct ConfigurationProblem: Error, Equatable, CustomStringConvertible {
    let lines: [String]

    init(lines: [String]) {
        self.lines = lines
    }

    /// A problem with the value of one setting.
    init(_ setting: SettingDefinition, _ problem: some Error) {
        lines = ["\(setting.key): \(problem)"]
    }

    var description: String { lines.joined(separator: "\n") }
}
