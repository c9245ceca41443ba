import Adapters
import Configuration

/// Reads settings: from flags, then the environment, then the configuration file, then their defaults.
///
/// Problems are collected, so that an operator sees all of them in one run.
struct SettingsReader {
    private let reader: ConfigReader
    private(set) var problems: [String] = []

    /// The value of each setting that was read, as text, for `--print-config`.
    private(set) var values: [(setting: SettingDefinition, text: String)] = []

    /// Changes that were made to defaults, for the log.
    private(set) var notices: [String] = []

    /// - Parameters:
    ///   - flags: The values of the flags that were given, by the keys of their settings.
    ///   - environment: Variables that do not begin with `BILLING_` are ignored.
    ///   - file: The path of the configuration file.
    ///   - groups: The settings that the file may contain.
    /// - Throws: `ConfigurationProblem` for a file that cannot be used.
    init(
        flags: [String: String], environment: [String: String], file: String?, groups: [any SettingGroup.Type]
    ) async throws(ConfigurationProblem) {
        var providers: [any ConfigProvider] = [
            Self.provider(of: flags),
            EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "billing"),
        ]
        if let file { providers.append(Self.provider(of: try await Self.texts(in: file, groups))) }
        reader = ConfigReader(providers: providers)
    }

    /// All values are texts, wherever they come from, and are parsed in one place.
    private static func provider(of texts: [String: String]) -> InMemoryProvider {
        let values = texts.map { key, text in
            (AbsoluteConfigKey(components(of: key)), ConfigValue(.string(text), isSecret: false))
        }
        return InMemoryProvider(values: Dictionary(uniqueKeysWithValues: values))
    }

    private static func texts(
        in path: String, _ groups: [any SettingGroup.Type]
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
            let file = ConfigurationFile(parsing: bytes, path: path, settings: groups.flatMap { $0.definitions })
            guard file.problems.isEmpty else { throw ConfigurationProblem(lines: file.problems) }
            return file.texts
        case .failure(let problem): throw ConfigurationProblem(lines: ["config: \(problem)"])
        case nil: throw ConfigurationProblem(lines: ["config: \(path): the file system does not respond"])
        }
    }

    private static func components(of key: String) -> [String] {
        key.split(separator: ".").map(String.init)
    }

    // MARK: Values

    /// The value of a setting with a default.
    ///
    /// - Returns: After a problem was reported, a value in the range, so that calculations with it cannot trap.
    mutating func value<Value>(_ setting: Setting<Value>) -> Value {
        guard case .value(let value) = setting.defaultValue else {
            preconditionFailure("\(setting.key) has no fixed default")
        }
        return self.value(setting, default: value)
    }

    /// The value of a setting whose default is computed. The computed default may be out of the range.
    mutating func value<Value>(_ setting: Setting<Value>, default defaultValue: Value) -> Value {
        guard let text = text(of: setting.key) else {
            values.append((setting.definition, setting.type.text(defaultValue)))
            return defaultValue
        }
        return parse(text, setting)
    }

    /// The value of a setting without a default; nil if it is not set.
    mutating func optional<Value>(_ setting: Setting<Value>) -> Value? {
        guard let text = text(of: setting.key) else {
            values.append((setting.definition, ""))
            return nil
        }
        return parse(text, setting)
    }

    private mutating func parse<Value>(_ text: String, _ setting: Setting<Value>) -> Value {
        let format = setting.type.format
        values.append((setting.definition, text))
        do throws(SettingTextProblem) {
            let value = try setting.type.parse(text)
            guard setting.type.isAllowed(value) else {
                report(setting, "\(text) is out of range: \(format.allowed ?? "")")
                return setting.type.placeholder
            }
            return value
        } catch {
            report(setting, "\(format.shown(text)) \(error.reason)")
            return setting.type.placeholder
        }
    }

    private func text(of key: String) -> String? {
        reader.string(forKey: ConfigKey(Self.components(of: key)))
    }

    /// Lowers a setting to what the machine can provide: a default with a notice, a given value by a problem.
    mutating func lower(_ setting: Setting<Int>, to value: Int, because reason: String) {
        if isGiven(setting) {
            report(setting, "at most \(value) is possible: \(reason)")
        } else {
            notices.append("\(setting.key) is lowered to \(value): \(reason)")
            if let index = values.lastIndex(where: { $0.setting.key == setting.key }) {
                values[index].text = String(value)
            }
        }
    }

    mutating func report<Value>(_ setting: Setting<Value>, _ problem: String) {
        report(setting.definition, problem)
    }

    mutating func report(_ setting: SettingDefinition, _ problem: String) {
        problems.append("\(setting.key): \(problem)")
    }

    /// Whether a flag, the environment or the file has a value, even if it equals the default.
    func isGiven<Value>(_ setting: Setting<Value>) -> Bool { text(of: setting.key) != nil }

    func isGiven(_ setting: SettingDefinition) -> Bool { text(of: setting.key) != nil }

    /// - Throws: `ConfigurationProblem` if any problem was reported.
    func finish() throws(ConfigurationProblem) {
        guard problems.isEmpty else { throw ConfigurationProblem(lines: problems) }
    }
}

extension SettingsReader: CustomStringConvertible {
    /// The resulting settings, one per line. None is secret: secrets are in files of their own.
    var description: String {
        values.map { setting, text in
            "\(setting.key) = \(setting.format.isURL ? URLText.masked(text) : text)\n"
        }.joined()
    }
}
