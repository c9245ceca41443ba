import Adapters
import Domain

/// How the values of a setting are written and described.
struct SettingFormat: Sendable {
    /// The placeholder for the value in `--help`; empty for flags without a value.
    let valueName: String

    /// How the value is written in a JSON file.
    let json: SettingJSONType

    /// The allowed values for people, such as `0 to 65535`; nil if the format alone restricts them.
    var allowed: String?

    /// Whether `allowed` lists the values.
    var isChoice = false

    /// Whether the flag has no value: it sets `true`.
    var isFlag: Bool { valueName.isEmpty }

    /// Whether the value is a URL, which may contain a password or a token.
    var isURL: Bool { valueName == "url" }

    /// The value in quotes, for people: control characters escaped, and the secret parts of a URL masked.
    func shown(_ text: String) -> String {
        "\"\(LogText.escaped(isURL ? URLText.masked(text) : text))\""
    }
}

/// How a setting's value is written in a JSON file. The raw values are for people.
enum SettingJSONType: String, Sendable {
    case boolean = "true or false"
    case integer = "a whole number"
    case number = "a number"
    case size = "a size such as 65536 or \"64KiB\""
    case text = "a string"

    /// The value as a flag would have it; nil for a value of another JSON type.
    func text(of value: JSONValue) -> String? {
        switch (self, value) {
        case (.boolean, .bool(let value)): "\(value)"
        case (.integer, .number(let text)), (.size, .number(let text)): Int(text) == nil ? nil : text
        case (.number, .number(let text)): text
        case (.size, .string(let text)), (.text, .string(let text)): text
        case (_, .null), (_, .bool), (_, .number), (_, .string), (_, .array), (_, .object): nil
        }
    }
}

/// Why a text is not a value of a setting. The reason follows the text in the message.
struct SettingTextProblem: Error {
    let reason: String
}

/// The type of a setting's value: parses, checks and prints it.
struct SettingType<Value: Sendable>: Sendable {
    let format: SettingFormat

    /// The value that the reader returns after it reported a problem. It is never used, but lies in the range.
    let placeholder: Value
    let parse: @Sendable (String) throws(SettingTextProblem) -> Value
    let isAllowed: @Sendable (Value) -> Bool
    let text: @Sendable (Value) -> String

    /// - Parameter notation: What a text that cannot be parsed is not, such as `a whole number`.
    init(
        _ format: SettingFormat, placeholder: Value, notation: String,
        isAllowed: @escaping @Sendable (Value) -> Bool = { _ in true },
        text: @escaping @Sendable (Value) -> String, parse: @escaping @Sendable (String) -> Value?
    ) {
        self.format = format
        self.placeholder = placeholder
        self.isAllowed = isAllowed
        self.text = text
        self.parse = { (text: String) throws(SettingTextProblem) in
            guard let value = parse(text) else { throw SettingTextProblem(reason: "is not \(notation)") }
            return value
        }
    }

    init(
        _ format: SettingFormat, placeholder: Value, text: @escaping @Sendable (Value) -> String,
        parse: @escaping @Sendable (String) throws(SettingTextProblem) -> Value
    ) {
        self.format = format
        self.placeholder = placeholder
        isAllowed = { _ in true }
        self.text = text
        self.parse = parse
    }
}

// MARK: Numbers

extension SettingType where Value == Int {
    static func integer(_ range: ClosedRange<Int>, _ valueName: String = "count") -> Self {
        Self(
            SettingFormat(
                valueName: valueName, json: .integer, allowed: "\(range.lowerBound) to \(range.upperBound)"),
            placeholder: range.lowerBound, notation: SettingJSONType.integer.rawValue,
            isAllowed: { range.contains($0) }, text: { "\($0)" }, parse: { Int($0) })
    }

    static var port: Self { integer(0...65_535, "port") }

    /// A number of bytes: `65536`, `64KiB`, `1MiB`, `2GiB`.
    static func size(_ range: ClosedRange<Int>) -> Self {
        Self(
            SettingFormat(
                valueName: "size", json: .size,
                allowed: "\(ByteSize.text(range.lowerBound)) to \(ByteSize.text(range.upperBound))"),
            placeholder: range.lowerBound, notation: "a size such as 65536, 64KiB or 1MiB",
            isAllowed: { range.contains($0) }, text: ByteSize.text, parse: ByteSize.bytes)
    }
}

extension SettingType where Value == Double {
    /// A fraction above 0 and at most 1.
    static var share: Self {
        Self(
            SettingFormat(valueName: "share", json: .number, allowed: "above 0, at most 1"), placeholder: 1,
            notation: SettingJSONType.number.rawValue, isAllowed: { $0 > 0 && $0 <= 1 }, text: { "\($0)" },
            parse: { Double($0) })
    }
}

extension SettingType where Value == Duration {
    /// `500ms`, `10s`, `2m`, `1h`, `1d`.
    ///
    /// - Parameter orZero: Whether zero is allowed although it lies outside the range.
    static func duration(_ range: ClosedRange<Duration>, orZero: Bool = false) -> Self {
        Self(
            SettingFormat(
                valueName: "duration", json: .text,
                allowed: (orZero ? "0s, or " : "")
                    + "\(DurationText.text(range.lowerBound)) to \(DurationText.text(range.upperBound))"),
            placeholder: range.lowerBound, notation: "a duration such as 500ms, 10s, 2m or 1h",
            isAllowed: { range.contains($0) || orZero && $0 == .zero }, text: DurationText.text,
            parse: DurationText.duration)
    }

    static func duration(upTo max: Duration) -> Self { duration(.zero...max) }
}

extension SettingType where Value == Limits.Rate {
    /// A token bucket: `200,20/s` is a burst of 200, then 20 a second.
    static var rate: Self {
        Self(
            SettingFormat(valueName: "rate", json: .text), placeholder: Limits.Rate(burst: 1, perSecond: 1),
            notation: "a rate such as 200,20/s", text: { "\($0.burst),\($0.perSecond)/s" },
            parse: { Limits.Rate($0) })
    }
}

// MARK: Texts

extension SettingType where Value == Bool {
    /// A flag without a value; `true` or `false` elsewhere. Its default is `false`.
    static var flag: Self { boolean(SettingFormat(valueName: "", json: .boolean)) }

    /// `true` or `false` everywhere, for settings whose default is `true`.
    static var boolean: Self {
        boolean(SettingFormat(valueName: "boolean", json: .boolean, allowed: "true, false", isChoice: true))
    }

    private static func boolean(_ format: SettingFormat) -> Self {
        Self(
            format, placeholder: false, notation: SettingJSONType.boolean.rawValue, text: { "\($0)" },
            parse: { text in
                switch text.lowercased() {
                case "true", "yes", "1": true
                case "false", "no", "0": false
                case _: nil
                }
            })
    }
}

extension SettingType where Value == String {
    /// A host name or an IP address.
    static var host: Self {
        Self(
            SettingFormat(valueName: "host", json: .text), placeholder: "", notation: "a host", text: { $0 },
            parse: { $0 })
    }

    static var path: Self {
        Self(SettingFormat(valueName: "path", json: .text), placeholder: "", text: { $0 }) {
            (text: String) throws(SettingTextProblem) in
            if text.isEmpty { throw SettingTextProblem(reason: "is empty: name a file, or omit the setting") }
            if text.utf8.contains(0) {
                throw SettingTextProblem(reason: "contains a NUL character, which a path cannot contain")
            }
            return text
        }
    }
}

extension SettingType where Value == String {
    /// 1 to 64 visible ASCII characters without a colon and braces.
    static func word(_ valueName: String) -> Self {
        Self(
            SettingFormat(valueName: valueName, json: .text), placeholder: "",
            notation: "1 to 64 visible ASCII characters without a colon and braces", text: { $0 },
            parse: { text in
                let isWord = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } && !text.contains { ":{}".contains($0) }
                return isWord && (1...64).contains(text.utf8.count) ? text : nil
            })
    }
}

extension SettingType where Value: CaseIterable & RawRepresentable & Equatable, Value.RawValue == String {
    /// One of the cases of an enumeration, by its raw value.
    static func choice(_ valueName: String) -> Self {
        guard let placeholder = Value.allCases.first else { preconditionFailure("\(valueName) has no values") }
        let names = Value.allCases.map(\.rawValue).joined(separator: ", ")
        return Self(
            SettingFormat(valueName: valueName, json: .text, allowed: names, isChoice: true),
            placeholder: placeholder, notation: "one of \(names)", text: { $0.rawValue },
            parse: { Value(rawValue: $0) })
    }
}

extension SettingType where Value == [AddressRange] {
    /// IP addresses and CIDR ranges, separated by commas: `10.0.0.0/8,::1`.
    static var addressRanges: Self {
        Self(
            SettingFormat(valueName: "ranges", json: .text), placeholder: [],
            notation: "a list of addresses such as 10.0.0.0/8,::1",
            // Printed for defaults only, which are empty.
            text: { _ in "" }, parse: { AddressRange.list($0) })
    }
}

extension SettingType where Value == Timestamp {
    static var timestamp: Self {
        Self(
            SettingFormat(valueName: "timestamp", json: .text), placeholder: Timestamp(secondsSinceEpoch: 0),
            notation: "a time such as 2026-01-31T12:00:00Z", text: { $0.rfc3339 }, parse: { Timestamp(rfc3339: $0) })
    }
}

extension SettingType where Value == HTTPURL {
    /// An `http` or `https` URL.
    ///
    /// - Parameters:
    ///   - example: A URL for the error message.
    ///   - isClearTextAllowed: Whether `http` is allowed for hosts other than loopback.
    static func url(example: String, isClearTextAllowed: Bool) -> Self {
        Self(
            SettingFormat(valueName: "url", json: .text),
            placeholder: HTTPURL(origin: Origin(scheme: .http, host: "", port: 0), path: ""),
            text: { $0.text }
        ) { (text: String) throws(SettingTextProblem) in
            do throws(HTTPURL.Problem) {
                return try HTTPURL(parsing: text, example: example, isClearTextAllowed: isClearTextAllowed)
            } catch {
                throw SettingTextProblem(reason: error.reason)
            }
        }
    }
}

extension SettingType where Value == HTTPURL {
    /// The URL of an invoice, with `{invoiceId}` in its path.
    static var invoiceURL: Self {
        let example = "https://api.zoom.us/v2/billing/invoices/{invoiceId}/download"
        return Self(
            SettingFormat(valueName: "url", json: .text),
            placeholder: HTTPURL(origin: Origin(scheme: .http, host: "", port: 0), path: ""), text: { $0.text }
        ) { (text: String) throws(SettingTextProblem) in
            do throws(HTTPURL.Problem) {
                return try HTTPURL(parsing: text, template: "{invoiceId}", example: example)
            } catch {
                throw SettingTextProblem(reason: error.reason)
            }
        }
    }
}

extension SettingType where Value == [RedirectTarget.Host] {
    /// Hosts with or without a port, separated by commas: `files.zoom.us,127.0.0.1:8080`.
    static var redirectHosts: Self {
        Self(
            SettingFormat(valueName: "hosts", json: .text), placeholder: [],
            notation: "a list of hosts such as files.example.com,files.example.net:8443",
            // Printed for the default only, which is empty.
            text: { _ in "" }
        ) { text in
            let hosts = text.split(separator: ",", omittingEmptySubsequences: false).map {
                RedirectTarget.Host(String($0.trimmingPrefix(" ")))
            }
            return hosts.contains(nil) ? nil : hosts.compactMap { $0 }
        }
    }
}

// MARK: Notations

/// Numbers of bytes as users write them, with binary units (IEC 80000-13).
enum ByteSize {
    private static let units = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)]

    /// The number with the largest unit that divides it.
    static func text(_ bytes: Int) -> String {
        let (name, unit) = units.first { bytes > 0 && bytes.isMultiple(of: $0.1) } ?? ("", 1)
        return "\(bytes / unit)\(name)"
    }

    /// - Returns: nil for another notation, or a number that does not fit into an `Int`.
    static func bytes(_ text: String) -> Int? {
        guard let (name, unit) = units.first(where: { text.hasSuffix($0.0) }) else { return nil }
        let digits = text.dropLast(name.count)
        guard digits.first?.isNumber ?? false, let count = Int(digits) else { return nil }
        let (bytes, isOverflow) = count.multipliedReportingOverflow(by: unit)
        return isOverflow ? nil : bytes
    }
}

/// Durations as users write them.
enum DurationText {
    private static let units: [(name: String, duration: Duration)] = [
        ("d", .seconds(86_400)), ("h", .seconds(3600)), ("m", .seconds(60)), ("s", .seconds(1)),
        ("ms", .milliseconds(1)),
    ]

    /// The duration in the largest unit that divides it.
    static func text(_ duration: Duration) -> String {
        guard duration > .zero else { return "0s" }
        for (name, unit) in units {
            let count = Int((duration / unit).rounded())
            if unit * count == duration { return "\(count)\(name)" }
        }
        return "\(duration)"
    }

    static func duration(_ text: String) -> Duration? {
        for (name, unit) in units where text.hasSuffix(name) {
            guard let count = Int32(text.dropLast(name.count)), count >= 0 else { continue }
            return unit * Int(count)
        }
        return nil
    }
}
