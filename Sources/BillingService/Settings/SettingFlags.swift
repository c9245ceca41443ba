import ArgumentParser

/// The flags of all settings of a group.
///
/// The argument parser finds the arguments of a type by reflection, and expects a property with a wrapper for each. Here the
/// mirror and the decoding initializer are derived from the group instead. Values are passed on as texts:
/// `SettingsReader` parses them, so that a wrong value is reported in the same words wherever it comes from.
struct SettingFlags<Group: SettingGroup>: ParsableArguments, GivenSettings, CustomReflectable {
    private(set) var given: [String: String] = [:]

    init() {}

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: FlagKey.self)
        for setting in Group.definitions {
            let key = FlagKey(stringValue: setting.flagName)
            if setting.format.isFlag {
                if try container.decode(Flag<Bool>.self, forKey: key).wrappedValue { given[setting.key] = "true" }
            } else {
                given[setting.key] = try container.decode(Option<String?>.self, forKey: key).wrappedValue
            }
        }
    }

    var customMirror: Mirror {
        let children = Group.definitions.map { setting -> Mirror.Child in
            let wrapper: Any = setting.format.isFlag ? Flag<Bool>(setting) as Any : Option<String?>(setting)
            return (setting.flagName, wrapper)
        }
        return Mirror(self, children: children)
    }
}

/// The name of a flag, as a key of the argument parser's decoder.
private struct FlagKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) {
        self.stringValue = stringValue
    }

    init?(intValue: Int) { nil }
}

extension Option where Value == String? {
    fileprivate init(_ setting: SettingDefinition) {
        var help = ArgumentHelp(stringLiteral: setting.help)
        help.valueName = setting.format.valueName
        self.init(name: .customLong(setting.flagName), help: help, completion: setting.format.completion)
    }
}

extension Flag where Value == Bool {
    fileprivate init(_ setting: SettingDefinition) {
        self.init(
            wrappedValue: false, name: .customLong(setting.flagName), help: ArgumentHelp(stringLiteral: setting.help))
    }
}

extension SettingFormat {
    fileprivate var completion: CompletionKind {
        if isChoice, let allowed { return .list(allowed.split(separator: ",").map { String($0.drop { $0 == " " }) }) }
        return valueName == "path" ? .file() : .default
    }
}

/// Arguments of which some are flags of settings.
protocol GivenSettings {
    /// The values of the flags that were given, by the keys of their settings.
    var given: [String: String] { get }
}

extension OptionGroup: GivenSettings where Value: GivenSettings {
    var given: [String: String] { wrappedValue.given }
}

extension ParsableArguments {
    /// The values of all flags of settings that were given, by the keys of their settings: of every `@OptionGroup`.
    var givenSettings: [String: String] {
        Mirror(reflecting: self).children.reduce(into: [:]) { all, child in
            guard let group = child.value as? any GivenSettings else { return }
            all.merge(group.given) { first, _ in first }
        }
    }
}

/// The flag that names the configuration file.
struct ConfigurationFlag: ParsableArguments {
    @Option(
        name: .customLong("config"),
        help: "JSON file with settings, nested at the dots of their names: {\"http\": {\"port\": 8080}}.",
        completion: .file())
    var file: String?
}

/// The flags of every command that runs or calls a service.
struct CommonFlags: ParsableArguments, GivenSettings {
    @OptionGroup var configuration: ConfigurationFlag

    @Flag(name: .customLong("print-config"), help: "Print the resulting settings, and exit.")
    var printsConfiguration = false

    @OptionGroup var log: SettingFlags<Settings.Log>

    var given: [String: String] { givenSettings }
}
