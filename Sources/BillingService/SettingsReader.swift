import Adapters
import Configuration
import Logging

/// What is wrong with the configuration, a line for each setting. Ends the program with `EX_CONFIG`.
struct ConfigurationProblem: Error, Equatable, CustomStringConvertible {
    let lines: [String]

    var description: String { lines.joined(separator: "\n") }
}

/// Reads settings from flags, then the environment, then a file, then their defaults, and gathers everything that is
/// wrong, so that an operator mends it in one go.
struct SettingsReader {
    private let reader: ConfigReader
    private(set) var problems: [String] = []

    /// What each setting came to, for `--print-config`.
    private(set) var values: [(setting: Setting, text: String)] = []

    /// What was made of settings other than what they say, for the log.
    private(set) var notices: [String] = []

    /// - Parameters:
    ///   - known: Every setting there is: a file that names another is mistaken.
    ///   - environment: `BILLING_…` variables; others are not looked at.
    /// - Throws: `ConfigurationProblem` for a file that cannot be used.
    init(
        flags: [Setting: String], environment: [String: String], file: String?, known: [Setting]
    ) async throws(ConfigurationProblem) {
        // All values are texts, wherever they come from, and are read in one way.
        let flagValues = Dictionary(uniqueKeysWithValues: flags.map { ($0.key.keyAsVariable, $0.value) })
        var providers: [any ConfigProvider] = [
            EnvironmentVariablesProvider(environmentVariables: flagValues),
            EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "billing"),
        ]
        if let file {
            let values = try await Self.texts(in: file, known: known).map { key, text in
                (AbsoluteConfigKey(Self.components(of: key)), ConfigValue(.string(text), isSecret: false))
            }
            providers.append(InMemoryProvider(values: Dictionary(uniqueKeysWithValues: values)))
        }
        reader = ConfigReader(providers: providers)
    }

    private static func texts(
        in path: String, known: [Setting]
    ) async throws(ConfigurationProblem) -> [String: String] {
        let content: Result<[UInt8], FileProblem>? = await FileQueue().run {
            do throws(FileProblem) {
                return .success(try ConfigurationFile.bytes(of: path))
            } catch {
                return .failure(error)
            }
        }
        switch content {
        case .success(let bytes):
            let file = ConfigurationFile(parsing: bytes, path: path, known: known)
            guard file.problems.isEmpty else { throw ConfigurationProblem(lines: file.problems) }
            return file.texts
        case .failure(let problem): throw ConfigurationProblem(lines: ["config: \(problem)"])
        case nil: throw ConfigurationProblem(lines: ["config: \(path): the file system does not answer"])
        }
    }

    private static func components(of key: String) -> [String] {
        key.split(separator: ".").map(String.init)
    }

    // MARK: Values

    mutating func text(_ setting: Setting, default other: String? = nil) -> String? {
        let text = read(setting, as: "a text", default: other) { $0 }
        guard let text, setting.valueName == "path" else { return text }
        if text.isEmpty { report(setting, "is empty: name a file, or leave it out") }
        if text.utf8.contains(0) { report(setting, "has a NUL character in it, which no path can have") }
        return text
    }

    mutating func flag(_ setting: Setting) -> Bool {
        read(setting, as: "true or false", Self.boolean) ?? false
    }

    /// Always in range, so that whoever goes on to use it cannot trap on what was reported.
    ///
    /// - Parameter other: Holds where nobody says otherwise, for a setting whose default depends on others.
    mutating func integer(_ setting: Setting, in range: ClosedRange<Int>, default other: Int? = nil) -> Int {
        let value = read(setting, as: "a whole number", default: other.map(String.init)) { Int($0) }
        guard let value else { return range.lowerBound }
        guard range.contains(value) else {
            report(setting, "\(value) is not between \(range.lowerBound) and \(range.upperBound)")
            return range.lowerBound
        }
        return value
    }

    mutating func share(_ setting: Setting) -> Double {
        let value = read(setting, as: "a number") { Double($0) }
        guard let value else { return 1 }
        guard value > 0, value <= 1 else {
            report(setting, "\(value) is not above 0 and at most 1")
            return 1
        }
        return value
    }

    /// - Parameter other: As for `integer`; in whole seconds.
    mutating func duration(
        _ setting: Setting, in range: ClosedRange<Duration>, default other: Duration? = nil
    ) -> Duration {
        let defaultText = other.map { "\($0.components.seconds)s" }
        guard let text = text(setting, default: defaultText) else { return range.lowerBound }
        guard let duration = Self.duration(text) else {
            report(setting, "\(setting.shown(text)) is not a time such as 500ms, 10s, 2m or 1h")
            return range.lowerBound
        }
        if !range.contains(duration) { report(setting, "\(text) is out of range: \(setting.summary)") }
        return duration
    }

    /// `65536`, `64KiB`, `1MiB`, `2GiB`; always in range, as `integer`.
    ///
    /// - Parameter other: As for `integer`.
    mutating func bytes(_ setting: Setting, in range: ClosedRange<Int>, default other: Int? = nil) -> Int {
        guard let text = text(setting, default: other.map(String.init)) else { return range.lowerBound }
        guard let bytes = Self.bytes(text) else {
            report(setting, "\(setting.shown(text)) is not a size such as 65536, 64KiB or 1MiB")
            return range.lowerBound
        }
        guard range.contains(bytes) else {
            report(setting, "\(text) is out of range: \(setting.summary)")
            return range.lowerBound
        }
        return bytes
    }

    /// `200,20/s`: so many at once, and so many a second after that.
    mutating func rate(_ setting: Setting) -> Limits.Rate {
        guard let text = text(setting) else { return Limits.Rate(burst: 1, perSecond: 1) }
        guard let rate = Limits.Rate(text) else {
            report(setting, "\(setting.shown(text)) is not a rate such as 200,20/s")
            return Limits.Rate(burst: 1, perSecond: 1)
        }
        return rate
    }

    /// Makes less of a setting than it says. That is told, unless somebody asked for as much: then it is a mistake.
    mutating func lower(_ setting: Setting, to value: Int, because reason: String) {
        if isGiven(setting) {
            report(setting, "more than \(value) is not possible: \(reason)")
        } else {
            notices.append("\(setting.key) is lowered to \(value): \(reason)")
            if let index = values.lastIndex(where: { $0.setting == setting }) { values[index].text = String(value) }
        }
    }

    mutating func ranges(_ setting: Setting) -> [AddressRange] {
        guard let text = text(setting) else { return [] }
        guard let ranges = AddressRange.list(text) else {
            report(setting, "\(setting.shown(text)) is not a list of addresses such as 10.0.0.0/8,::1")
            return []
        }
        return ranges
    }

    mutating func choice<Choice: RawRepresentable & CaseIterable>(_ setting: Setting) -> Choice?
    where Choice.RawValue == String {
        guard let text = text(setting) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let choices = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            report(setting, "\(setting.shown(text)) is none of \(choices)")
            return nil
        }
        return choice
    }

    mutating func report(_ setting: Setting, _ problem: String) {
        problems.append("\(setting.key): \(problem)")
    }

    /// Whether somebody set it, be it to its default.
    func isGiven(_ setting: Setting) -> Bool {
        reader.string(forKey: Self.key(of: setting)) != nil
    }

    /// - Throws: `ConfigurationProblem` if anything was wrong.
    func finish() throws(ConfigurationProblem) {
        guard problems.isEmpty else { throw ConfigurationProblem(lines: problems) }
    }

    private mutating func read<Value>(
        _ setting: Setting, as kind: String, default other: String? = nil, _ parse: (String) -> Value?
    ) -> Value? {
        guard let text = reader.string(forKey: Self.key(of: setting)) else {
            let defaultText = other ?? setting.defaultText
            values.append((setting, defaultText ?? ""))
            return defaultText.flatMap(parse)
        }
        guard let value = parse(text) else {
            report(setting, "\(setting.shown(text)) is not \(kind)")
            return nil
        }
        values.append((setting, "\(value)"))
        return value
    }

    private static func key(of setting: Setting) -> ConfigKey {
        ConfigKey(components(of: setting.key))
    }

    private static func boolean(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "yes", "1": true
        case "false", "no", "0": false
        case _: nil
        }
    }

    private static func bytes(_ text: String) -> Int? {
        let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("", 1)]
        guard let (suffix, unit) = units.first(where: { text.hasSuffix($0.0) }) else { return nil }
        let digits = text.dropLast(suffix.count)
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let count = Int(digits)
        else { return nil }
        let (bytes, isOverflow) = count.multipliedReportingOverflow(by: unit)
        return isOverflow ? nil : bytes
    }

    private static func duration(_ text: String) -> Duration? {
        let units: [(String, Duration)] = [
            ("ms", .milliseconds(1)), ("s", .seconds(1)), ("m", .seconds(60)), ("h", .seconds(3600)),
            ("d", .seconds(86_400)),
        ]
        for (suffix, unit) in units where text.hasSuffix(suffix) {
            guard let count = Int32(text.dropLast(suffix.count)), count >= 0 else { continue }
            return unit * Int(count)
        }
        return nil
    }
}

extension SettingsReader: CustomStringConvertible {
    /// The settings that result, a line each. None of them is secret: secrets live in files of their own.
    var description: String {
        values.map { setting, text in
            "\(setting.key) = \(setting.valueName == "url" ? URLText.masked(text) : text)\n"
        }.joined()
    }
}
