package import Domain
import DomainFakes
import Testing

// Literals, so that tests show the bodies as they are sent.

extension InputValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByNilLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .text(value) }
    package init(integerLiteral value: Int) { self = .number("\(value)") }
    package init(floatLiteral value: Double) { self = .number("\(value)") }
    package init(booleanLiteral value: Bool) { self = .boolean(value) }
    package init(nilLiteral: ()) { self = .null }
    package init(arrayLiteral elements: InputValue...) { self = .list(elements) }
    package init(dictionaryLiteral elements: (String, InputValue)...) {
        self = .object(elements.map { Member(name: $0.0, value: $0.1) })
    }
}

extension InputValue {
    /// The object with another member at its end. A member of that name is replaced in its place, or removed for `nil`.
    func with(_ name: String, _ value: InputValue?) -> InputValue {
        guard case .object(var members) = self else { return self }
        let index = members.firstIndex { $0.name == name }
        if let index { members.remove(at: index) }
        if let value { members.insert(Member(name: name, value: value), at: index ?? members.endIndex) }
        return .object(members)
    }
}

/// The account of the tests.
let account = AccountID(literal: "Qx7Zk2mPTfGh0aB1cD2eFg")

/// The rules that a body breaks; empty for a body without a broken rule.
func violations(
    _ operation: Operation, _ body: InputValue, isStrict: Bool = true
) -> [BillingFailure.Violation] {
    do throws(BillingFailure) {
        _ = try AccountWrite.make(operation, of: account, from: body, rules: WriteRules(isStrict: isStrict))
        return []
    } catch {
        guard case .invalid(let violations) = error else { return [.init(field: "", message: "\(error)")] }
        return violations
    }
}

/// A body that breaks one rule.
struct BrokenRule: CustomTestStringConvertible, Sendable {
    let operation: Operation
    let body: InputValue
    let field: String
    let message: String

    var testDescription: String { "\(operation): \(field): \(message)" }

    init(_ operation: Operation, _ body: InputValue, _ field: String, _ message: String) {
        self.operation = operation
        self.body = body
        self.field = field
        self.message = message
    }
}
