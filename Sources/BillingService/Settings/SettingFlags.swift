import ArgumentParser
import Synchronization

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
        let wrappers = FlagWrappers.all(of: ObjectIdentifier(Group.self), Group.definitions)
        return Mirror(self, children: wrappers.map { (label: $0.name, value: $0.wrapper as Any) })
    }
}

/// The property wrappers of the flags of each group. The argument parser asks for them hundreds of times.
private enum FlagWrappers {
    typealias Named = (name: String, wrapper: any Sendable)

    private static let known = Mutex<[ObjectIdentifier: [Named]]>([:])

    static func all(of group: ObjectIdentifier, _ definitions: [SettingDefinition]) -> [Named] {
        known.withLock { known in
            if let wrappers = known[group] { return wrappers }
            let wrappers = definitions.map { setting -> Named in
                (setting.flagName, setting.format.isFlag ? Flag<Bool>(setting) : Option<String?>(setting))
            }
            known[group] = wrappers
            return wrappers
        }
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
///
/// They are on one level. In a debug build the argument parser checks the groups of a group several times, so that each level
/// multiplies the time to start: a command took ten seconds.
struct CommonFlags: ParsableArguments, GivenSettings, CustomReflectable {
    private struct PrintingFlag: ParsableArguments {
        @Flag(name: .customLong("print-config"), help: "Print the resulting settings, and exit.")
        var printsConfiguration = false
    }

    private(set) var configuration = ConfigurationFlag()
    private var printing = PrintingFlag()
    private var log = SettingFlags<Settings.Log>()

    init() {}

    init(from decoder: any Decoder) throws {
        // The argument parser checks the keys of the first container: those of each part would miss the others.
        _ = try decoder.container(keyedBy: FlagKey.self)
        configuration = try ConfigurationFlag(from: decoder)
        printing = try PrintingFlag(from: decoder)
        log = try SettingFlags(from: decoder)
    }

    var customMirror: Mirror {
        let parts: [any ParsableArguments] = [configuration, printing, log]
        return Mirror(self, children: parts.flatMap { Mirror(reflecting: $0).children })
    }

    var printsConfiguration: Bool { printing.printsConfiguration }

    var given: [String: String] { log.given }
}
