/// A setting, declared once: its key, its type with the allowed range, its default and its help.
///
/// The flag, the environment variable, the member of the configuration file, `--help`, the range check with its error
/// message, `--print-config` and docs/settings.md derive from the declaration. See `SettingGroup`.
struct Setting<Value: Sendable>: Sendable {
    /// What applies when neither a flag, the environment nor the configuration file has a value.
    enum Default: Sendable {
        case value(Value)

        /// The code that reads the setting computes the default; the text describes it for users.
        case computed(String)
        case absent
    }

    let key: String
    let type: SettingType<Value>
    let defaultValue: Default
    let summary: String

    /// - Parameters:
    ///   - key: Dotted, as in the configuration file: `http.port`.
    ///   - summary: What the setting means, with its unit. The range and the default are added in help and docs.
    init(_ key: String, _ type: SettingType<Value>, default defaultValue: Default, _ summary: String) {
        self.key = key
        self.type = type
        self.defaultValue = defaultValue
        self.summary = summary
        if case .value(let value) = defaultValue {
            precondition(type.isAllowed(value), "the default of \(key) is out of its range")
        }
    }

    init(_ key: String, _ type: SettingType<Value>, default value: Value, _ summary: String) {
        self.init(key, type, default: .value(value), summary)
    }

    /// A setting without a default.
    init(_ key: String, _ type: SettingType<Value>, _ summary: String) {
        self.init(key, type, default: .absent, summary)
    }

    var definition: SettingDefinition {
        let defaultText: String? =
            switch defaultValue {
            case .value(let value): type.text(value)
            case .computed(let text): text
            case .absent: nil
            }
        return SettingDefinition(
            key: key, format: type.format, defaultText: defaultText.flatMap { $0.isEmpty ? nil : $0 },
            summary: summary)
    }
}

/// The part of a setting that does not depend on the type of its value.
struct SettingDefinition: Sendable {
    let key: String
    let format: SettingFormat

    /// The default as a user would write it, or a description of a computed default; nil if there is none.
    let defaultText: String?
    let summary: String

    /// The name of the flag without the leading dashes: `http-port`.
    var flagName: String { key.replacing(".", with: "-") }

    /// The help text of the flag: the summary with the allowed values and the default.
    var help: String {
        let notes = [
            format.allowed.map { "\(format.isChoice ? "values" : "range"): \($0)" },
            format.isFlag ? nil : defaultText.map { "default: \($0)" },
        ].compactMap { $0 }
        return notes.isEmpty ? summary : "\(summary) (\(notes.joined(separator: "; ")))"
    }
}

/// A declared setting, whatever the type of its value.
protocol DeclaredSetting {
    var definition: SettingDefinition { get }
}

extension Setting: DeclaredSetting {}
