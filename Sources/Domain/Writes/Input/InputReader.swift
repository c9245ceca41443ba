/// Reads a caller's values and collects every rule that they break.
///
/// A value that breaks a rule is reported and left out, so that the other rules are checked as well. The canonical values that
/// the methods return are complete if no rule is broken.
struct InputReader {
    typealias Violation = BillingFailure.Violation

    let rules: WriteRules

    /// Further broken rules are only counted, so that a small request cannot cause a large answer.
    static let violationsMax = 100

    /// The field of rules about the body as a whole.
    private static let wholeBody = "body"

    private var listed: [Violation] = []
    private var unlisted = 0

    init(_ rules: WriteRules) {
        self.rules = rules
    }

    var violations: [Violation] {
        guard unlisted > 0 else { return listed }
        return listed + [Violation(field: Self.wholeBody, message: "\(unlisted) more rules are broken.")]
    }

    var violationCount: Int { listed.count + unlisted }

    /// Adds a broken rule.
    ///
    /// - Parameters:
    ///   - field: The path of the field; empty for the body as a whole.
    ///   - rule: A sentence.
    ///   - value: The value of the caller, which the message repeats.
    mutating func refuse(_ field: String, _ rule: String, given value: InputValue? = nil) {
        guard listed.count < Self.violationsMax else {
            unlisted += 1
            return
        }
        let given = value.map { " Given: \($0.excerpt)." } ?? ""
        listed.append(Violation(field: field.isEmpty ? Self.wholeBody : field.excerpt, message: rule + given))
    }

    // MARK: Objects and lists

    /// Reads the members of an object. Reports a value that is not an object, and a name that is there twice.
    ///
    /// - Parameter read: Returns the canonical value of a member; `nil` for a member that is left out.
    mutating func object(
        _ value: InputValue, at path: String,
        read: (inout InputReader, _ name: String, _ value: InputValue, _ field: String) -> InputValue?
    ) -> InputValue {
        guard case .object(let members) = value else {
            refuse(path, "Must be an object.", given: value)
            return .object([])
        }
        var names: Set<String> = []
        var canonical: [InputValue.Member] = []
        for member in members {
            let field = path.isEmpty ? member.name : "\(path).\(member.name)"
            guard names.insert(member.name).inserted else {
                refuse(field, "Must be given only once.", given: member.value)
                continue
            }
            if let value = read(&self, member.name, member.value, field) {
                canonical.append(.init(name: member.name, value: value))
            }
        }
        return .object(canonical)
    }

    /// Reads the values of a list. Reports an empty list, and one that is too long.
    ///
    /// - Parameter read: Returns the canonical value of an element; `nil` for an element that is left out.
    mutating func list(
        _ values: [InputValue], at path: String, countMax: Int,
        read: (inout InputReader, _ value: InputValue, _ field: String) -> InputValue?
    ) -> InputValue {
        guard (1...countMax).contains(values.count) else {
            refuse(path, "Must have 1 to \(countMax) elements.", given: .list(values))
            return .list([])
        }
        var canonical: [InputValue] = []
        for (index, value) in values.enumerated() {
            if let value = read(&self, value, "\(path)[\(index)]") { canonical.append(value) }
        }
        return .list(canonical)
    }

    /// Reports a member that the operation does not have.
    ///
    /// - Parameter known: The names that it has.
    mutating func refuseUnknown(_ name: String, at field: String, _ value: InputValue, known: [String]) {
        let suggestion = name.nearest(of: known).map { "Did you mean \"\($0)\"?" }
        refuse(field, ["Unknown field.", suggestion].compactMap(\.self).joined(separator: " "), given: value)
    }

    // MARK: Values

    /// Reads one line of text without blanks at either end; `nil` if it breaks a rule.
    mutating func line(_ value: InputValue, at field: String, lengthMax: Int) -> String? {
        guard case .text(let text) = value else {
            refuse(field, "Must be a text.", given: value)
            return nil
        }
        if let problem = LineProblem(in: text) {
            refuse(field, problem.rule, given: value)
            return nil
        }
        let line = text.trimmed
        guard line.unicodeScalars.count <= lengthMax else {
            refuse(field, "Must have at most \(lengthMax) characters.", given: value)
            return nil
        }
        return line
    }

    /// Reads a whole number; `nil` if it breaks a rule.
    mutating func wholeNumber(_ value: InputValue, at field: String, in range: ClosedRange<Int>) -> Int? {
        guard let number = value.wholeNumber, range.contains(number) else {
            refuse(
                field, "Must be a whole number from \(range.lowerBound) to \(range.upperBound), not a text.",
                given: value)
            return nil
        }
        return number
    }

    /// Reads a date as `yyyy-mm-dd`; `nil` if it breaks a rule.
    mutating func date(_ value: InputValue, at field: String) -> InputValue? {
        guard case .text(let text) = value, let date = CalendarDate(text) else {
            refuse(field, "Must be a date of the calendar as yyyy-mm-dd.", given: value)
            return nil
        }
        return .text(date.description)
    }
}
