/// Settings that are declared together.
///
/// Each stored property is one `Setting`, and declaring it is all that a new setting needs besides the code that reads it.
/// Commands get the flags of a group by `SettingFlags`, and the groups of `Settings.all` are known in the environment, in
/// the configuration file and in the reference page.
protocol SettingGroup: Sendable {
    /// The heading in the reference page.
    static var title: String { get }

    init()
}

extension SettingGroup {
    /// All settings of the group, in the order of their declaration.
    static var definitions: [SettingDefinition] {
        Mirror(reflecting: Self()).children.compactMap { ($0.value as? any DeclaredSetting)?.definition }
    }
}
