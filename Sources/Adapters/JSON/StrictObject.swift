/// A JSON object of which every member is known, and none comes twice: a mistake in a file of rights must not look like
/// a right that was left out.
struct StrictObject {
    /// Where it stands, for people: `master 2`.
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
                // A name may be anything, a secret as well; what could be a slip of the pen is shown.
                let isWord =
                    member.name.utf8.count <= 32 && member.name.allSatisfy { $0.isASCII && ($0.isLetter || $0 == "_") }
                problems.append(
                    DocumentProblem(
                        "\(place) has \(isWord ? "\"\(member.name)\"" : "a member") that is none of \(known.sorted().joined(separator: ", "))"
                    ))
            }
        }
        try DocumentProblem.check(problems)
    }

    func problem(_ reason: String) -> DocumentProblem { DocumentProblem("\(place): \(reason)") }

    subscript(_ name: String) -> JSONValue? { object[name] }

    /// Reads a member that may be missing.
    ///
    /// - Parameter kind: What it must be, for people.
    func member<Value>(
        _ name: String, as kind: String, _ read: (JSONValue) -> Value?
    ) throws(DocumentProblem) -> Value? {
        guard let value = object[name] else { return nil }
        guard let read = read(value) else { throw problem("\"\(name)\" must be \(kind)") }
        return read
    }

    /// Reads a member that must be there.
    func required<Value>(
        _ name: String, as kind: String, _ read: (JSONValue) -> Value?
    ) throws(DocumentProblem) -> Value {
        guard let value = try member(name, as: kind, read) else { throw problem("\"\(name)\" must be \(kind)") }
        return value
    }
}

/// A document is not what it should be. Says where and why, and never what stood there.
package struct DocumentProblem: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }

    /// More are counted and not told.
    private static let toldMax = 20

    /// - Throws: All problems as one, if there is any.
    static func check(_ problems: [DocumentProblem]) throws(DocumentProblem) {
        guard !problems.isEmpty else { return }
        var texts = problems.prefix(toldMax).map(\.description)
        if problems.count > toldMax { texts.append("and \(problems.count - toldMax) more") }
        throw DocumentProblem(texts.joined(separator: "; "))
    }
}

extension JSONValue {
    /// The one array that a document of ours holds, as `{"masters": […]}`.
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
