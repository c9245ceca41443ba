import Adapters

/// The JSON file of `--config`: the values of its settings as texts, and its problems.
struct ConfigurationFile {
    /// The values by the keys of their settings, written as for flags.
    private(set) var texts: [String: String] = [:]

    /// One line per problem.
    private(set) var problems: [String] = []

    /// A file with all settings takes a hundredth of it.
    private static let bytesMax = 1 << 20

    private let path: String
    private let settings: [String: SettingDefinition]

    /// - Parameter settings: The settings that the file may contain.
    init(parsing bytes: [UInt8], path: String, settings: [SettingDefinition]) {
        self.path = path
        self.settings = Dictionary(settings.map { ($0.key, $0) }) { first, _ in first }
        do throws(JSONSyntaxError) {
            guard let object = try JSONValue(parsing: bytes, keepsText: false).object else {
                problems = ["config: \(path) is not a JSON object"]
                return
            }
            read(object, under: "")
        } catch {
            problems = ["config: \(path) is not JSON: \(error)"]
        }
    }

    /// Reads a file or pipe. Blocks.
    ///
    /// - Throws: `FileProblem`.
    static func bytes(of path: String) throws(FileProblem) -> [UInt8] {
        try InputFile.read(path, bytesMax: bytesMax)
    }

    private mutating func read(_ object: JSONObject, under prefix: String) {
        var counts: [String: Int] = [:]
        for member in object.members {
            let key = prefix + member.name
            counts[member.name, default: 0] += 1
            if counts[member.name] == 2 { report(key, "is given twice") }
            guard !member.name.contains(".") else {
                report(key, "write nested objects instead of dots: {\"http\": {\"port\": 8080}}")
                continue
            }
            switch (settings[key], member.value.object) {
            case (_, let object?) where hasSettings(below: key): read(object, under: key + ".")
            case (let setting?, _): read(member.value, of: setting)
            case (nil, _):
                if hasSettings(below: key) {
                    report(key, "\(member.value.shown) is not an object with settings")
                } else {
                    report(key, "unknown setting")
                }
            }
        }
    }

    private func hasSettings(below key: String) -> Bool {
        settings.keys.contains { $0.hasPrefix(key + ".") }
    }

    private mutating func read(_ value: JSONValue, of setting: SettingDefinition) {
        if let text = setting.format.json.text(of: value) {
            texts[setting.key] = text
        } else {
            let shown = value.string.map { setting.format.shown($0) } ?? value.shown
            report(setting.key, "\(shown) is not \(setting.format.json.rawValue)")
        }
    }

    private mutating func report(_ key: String, _ problem: String) {
        problems.append("\(LogText.escaped(key)): \(problem) (in \(path))")
    }
}

extension JSONValue {
    /// The value of a scalar, or the type of a compound value, for people.
    fileprivate var shown: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .number(let text): LogText.escaped(text)
        case .string(let text): "\"\(LogText.escaped(text))\""
        case .array: "an array"
        case .object: "an object"
        }
    }
}
