import Adapters

/// Identifies an export: the list of accounts, the options and the source. An export is resumed only if all three are the
/// same.
///
/// Each is a SHA-256 digest, so that its size does not depend on the list.
struct ExportIdentity: Equatable, Sendable {
    let list: String
    let options: String
    let service: String

    /// The options as text, for messages.
    let summary: String

    /// - Parameters:
    ///   - accounts: The ids of the selected accounts, in order; nil for all.
    ///   - options: All options that change the file, in a fixed order.
    ///   - service: The URL of the service, or a description of another source.
    init(accounts: [String]?, options: [String], service: [String]) {
        list = Self.digest(accounts.map { ["chosen"] + $0 } ?? ["all"])
        self.options = Self.digest(options)
        self.service = Self.digest(service)
        summary = options.joined(separator: ", ")
    }

    private static func digest(_ parts: [String]) -> String {
        SHA256Digest(of: parts.joined(separator: "\n")).hexadecimal
    }

    /// Describes the first difference from the export that was begun; nil if they are the same.
    func difference(from begun: ExportIdentity) -> String? {
        if list != begun.list { return "another list of accounts" }
        if options != begun.options { return "other options (\(begun.summary))" }
        if service != begun.service { return "another service or master account" }
        return nil
    }
}

extension ExportIdentity {
    /// - Parameter object: An object written by `write`. The result for any other object is nil.
    init?(_ object: JSONObject) {
        guard let list = object["list"]?.string, let options = object["options"]?.string,
            let service = object["service"]?.string, let summary = object["summary"]?.string
        else { return nil }
        self.list = list
        self.options = options
        self.service = service
        self.summary = summary
    }

    func write(to object: inout JSONMemberWriter) {
        object.member("list", list)
        object.member("options", options)
        object.member("service", service)
        object.member("summary", summary)
    }
}
