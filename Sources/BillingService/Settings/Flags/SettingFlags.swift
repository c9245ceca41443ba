import ArgumentParser
import Synchronization

/// The flags of all settings of a group.
///
/// The argument parser finds the arguments of a type by reflection, and expects a property with a wrapper for each. Here the
/// mirror and the decoding initializer are derived from the group instead. Values are passed on as texts:
/// `SettingsReader` parses them, so that a wrong value is reported in the same words wherever it comes from.
struct SettingFlags<Group: SettingGroup>: ParsableArguments, GivenSettings, CustomReflectable {
    private(set) var given: [String: String] = [:]

    /// Whether only `--help-hidden` shows the flags.
    private let areHidden: Bool

    init() {
        self.init(areHidden: false)
    }

    init(areHidden: Bool) {
        self.areHidden = areHidden
    }

    init(from decoder: any Decoder) throws {
        self.init()
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
        let wrappers = FlagWrappers.all(
            .init(group: ObjectIdentifier(Group.self), areHidden: areHidden), Group.definitions)
        return Mirror(self, children: wrappers.map { (label: $0.name, value: $0.wrapper as Any) })
    }
}

/// The property wrappers of the flags of each group. The argument parser asks for them hundreds of times.
private enum FlagWrappers {
    typealias Named = (name: String, wrapper: any Sendable)

    struct Key: Hashable {
        let group: ObjectIdentifier
        let areHidden: Bool
    }

    private static let known = Mutex<[Key: [Named]]>([:])

    static func all(_ key: Key, _ definitions: [SettingDefinition]) -> [Named] {
        known.withLock { known in
            if let wrappers = known[key] { return wrappers }
            let wrappers = definitions.map { setting -> Named in
                var help = ArgumentHelp(stringLiteral: setting.help)
                if key.areHidden { help.visibility = .hidden }
                return (
                    setting.flagName, setting.format.isFlag ? Flag<Bool>(setting, help) : Option<String?>(setting, help)
                )
            }
            known[key] = wrappers
            return wrappers
        }
    }
}

/// The name of a flag, as a key of the argument parser's decoder.
struct FlagKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) {
        self.stringValue = stringValue
    }

    init?(intValue: Int) { nil }
}

extension Option where Value == String? {
    fileprivate init(_ setting: SettingDefinition, _ help: ArgumentHelp) {
        var help = help
        help.valueName = setting.format.valueName
        self.init(name: .customLong(setting.flagName), help: help, completion: setting.format.completion)
    }
}

extension Flag where Value == Bool {
    fileprivate init(_ setting: SettingDefinition, _ help: ArgumentHelp) {
        self.init(wrappedValue: false, name: .customLong(setting.flagName), help: help)
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
    ///
    /// Arguments in parts have them in `given` instead.
    var givenSettings: [String: String] {
        Mirror(reflecting: self).children.reduce(into: [:]) { all, child in
            guard let group = child.value as? any GivenSettings else { return }
            all.merge(group.given) { first, _ in first }
        }
    }
}
