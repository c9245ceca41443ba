/// A JSON object without unknown or duplicate members. A typing error in a file that grants permissions must not be ignored
/// silently.
struct StrictObject {
    /// Names the object in error messages, such as `master 2`.
    let place: String
    private let object: JSONObject

    init(_ value: JSONValue, at place: String, members known: Set<String>) throws(DocumentProblem) {
        guard let object = value.object else { throw DocumentProblem("\(place) must be an object") }
        self.place = place
        self.object = object
        var counts: [String: Int] = [:]
        var problems: [DocumentProblem] = []
        for member in object.members {
            counts[member.name, default: 0] += 1
            if counts[member.name] == 2, known.contains(member.name) {
                problems.append(DocumentProblem("\(place) has \"\(member.name)\" twice"))
            }
            if !known.contains(member.name) {
                // The name could be a misplaced secret. It is shown only if it looks like a member name.
                let isWord =
                    member.name.utf8.count <= 32 && member.name.allSatisfy { $0.isASCII && ($0.isLetter || $0 == "_") }
                let unknown = isWord ? "the unknown member \"\(member.name)\"" : "an unknown member"
                problems.append(
                    DocumentProblem(
                        "\(place) has \(unknown); known members are \(known.sorted().joined(separator: ", "))"))
            }
        }
        try DocumentProblem.check(problems)
    }

    func problem(_ reason: String) -> DocumentProblem { DocumentProblem("\(place): \(reason)") }

    subscript(_ name: String) -> JSONValue? { object[name] }

    /// Reads an optional member.
    ///
    /// - Parameter kind: Describes the valid values in the error message.
    func member<Value>(
        _ name: String, as kind: String, _ read: (JSONValue) -> Value?
    ) throws(DocumentProblem) -> Value? {
        guard let value = object[name] else { return nil }
        guard let read = read(value) else { throw problem("\"\(name)\" must be \(kind)") }
        return read
    }

    /// Reads a required member.
    func required<Value>(
        _ name: String, as kind: String, _ read: (JSONValue) -> Value?
    ) throws(DocumentProblem) -> Value {
        guard let value = try member(name, as: kind, read) else { throw problem("\"\(name)\" must be \(kind)") }
        return value
    }
}

/// What is invalid in a document, and where. Never contains the invalid value.
package struct DocumentProblem: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }

    /// Further problems are only counted.
    private static let describedMax = 20

    /// - Throws: All problems as one, if there are any.
    static func check(_ problems: [DocumentProblem]) throws(DocumentProblem) {
        guard !problems.isEmpty else { return }
        var texts = problems.prefix(describedMax).map(\.description)
        if problems.count > describedMax { texts.append("and \(problems.count - describedMax) more") }
        throw DocumentProblem(texts.joined(separator: "; "))
    }
}

extension JSONValue {
    /// Parses a document that is an object with one array, such as `{"masters": […]}`.
    static func document(_ bytes: [UInt8], array name: String) throws(DocumentProblem) -> [JSONValue] {
        let value: JSONValue
        do throws(JSONSyntaxError) {
            value = try JSONValue(parsing: bytes, keepsText: false)
        } catch {
            throw DocumentProblem("not JSON: \(error)")
        }
        guard value.object != nil else { throw DocumentProblem("not a JSON object") }
        let object = try StrictObject(value, at: "the file", members: [name])
        guard let array = object[name]?.array else { throw DocumentProblem("\"\(name)\" must be an array") }
        return array
    }
}
