import Adapters

/// The JSON file of `--config`: its settings as texts, and everything that is wrong with it.
struct ConfigurationFile {
    /// The texts by the keys of their settings, as a flag would have them.
    private(set) var texts: [String: String] = [:]

    /// A line for each finding.
    private(set) var problems: [String] = []

    /// All settings there are take a hundredth of it.
    private static let bytesMax = 1 << 20

    private let path: String
    private let known: [String: Setting]

    /// - Parameter known: Every setting there is: another name is a mistake.
    init(parsing bytes: [UInt8], path: String, known settings: [Setting]) {
        self.path = path
        known = Dictionary(settings.map { ($0.key, $0) }) { first, _ in first }
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
            if counts[member.name] == 2 { report(key, "is there twice") }
            guard !member.name.contains(".") else {
                report(key, "settings are nested by their dots, as {\"http\": {\"port\": 8080}}")
                continue
            }
            switch (known[key], member.value.object) {
            case (_, let object?) where hasSettings(below: key): read(object, under: key + ".")
            case (let setting?, _): read(member.value, of: setting)
            case (nil, _):
                if hasSettings(below: key) {
                    report(key, "\(member.value.shown) is not an object with settings")
                } else {
                    report(key, "no such setting")
                }
            }
        }
    }

    private func hasSettings(below key: String) -> Bool {
        known.keys.contains { $0.hasPrefix(key + ".") }
    }

    private mutating func read(_ value: JSONValue, of setting: Setting) {
        if let text = setting.jsonType.text(of: value) {
            texts[setting.key] = text
        } else {
            let shown = value.string.map { setting.shown($0) } ?? value.shown
            report(setting.key, "\(shown) is not \(setting.jsonType.rawValue)")
        }
    }

    private mutating func report(_ key: String, _ problem: String) {
        problems.append("\(LogText.shown(key)): \(problem) (in \(path))")
    }
}

extension JSONValue {
    /// For people: what kind of value it is, and scalars themselves.
    fileprivate var shown: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .number(let text): LogText.shown(text)
        case .string(let text): "\"\(LogText.shown(text))\""
        case .array: "a list"
        case .object: "an object"
        }
    }
}

extension Setting {
    /// How the value of a setting is written in a JSON file. The raw values are for people.
    enum JSONType: String {
        case boolean = "true or false"
        case integer = "a whole number"
        case number = "a number"
        case size = "a size such as 65536 or \"64KiB\""
        case text = "a text in quotes"

        /// The value as a flag would have it; `nil` for one of another type.
        fileprivate func text(of value: JSONValue) -> String? {
            switch (self, value) {
            case (.boolean, .bool(let value)): "\(value)"
            case (.integer, .number(let text)), (.size, .number(let text)): Int(text) == nil ? nil : text
            case (.number, .number(let text)): text
            case (.size, .string(let text)), (.text, .string(let text)): text
            case (_, .null), (_, .bool), (_, .number), (_, .string), (_, .array), (_, .object): nil
            }
        }
    }

    var jsonType: JSONType {
        switch valueName {
        case "": .boolean
        case "port", "count", "number", "bytes": .integer
        case "share": .number
        case "size": .size
        case _: .text
        }
    }

    /// A value in quotes, for people: without the secrets that an address may have in it.
    func shown(_ text: String) -> String {
        "\"\(LogText.shown(valueName == "url" ? URLText.masked(text) : text))\""
    }
}
