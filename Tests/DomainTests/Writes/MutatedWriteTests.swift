import Domain
import DomainFakes
import Testing

@Suite("Mutated bodies")
struct MutatedWriteTests {
    private static let operations = Operation.allCases.filter { $0.rules.effect != .read }

    /// Bodies without a broken rule.
    private static func bodies(of operation: Operation) -> [InputValue] {
        let documented = PlanRulesTests.documented.filter { $0.operation == operation }.map(\.body)
        return operation == .updateBillingInformation ? [ContactRulesTests.contact, ["country": "CA"]] : documented
    }

    /// 100,000 bodies in all.
    private static let bodiesPerOperation = 100_000 / operations.count + 1

    @Test("100,000 mutated bodies end in a write or in named violations", arguments: operations)
    func mutatedBodies(operation: Operation) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var mutations = MutatedInput(seed: seed)
        let bodies = Self.bodies(of: operation)
        var accepted = 0
        for number in 0..<Self.bodiesPerOperation {
            let body = mutations.mutation(of: bodies[number % bodies.count])
            guard let problem = Self.problem(operation, body, accepted: &accepted) else { continue }
            Issue.record("\(operation), seed \(seed), body \(number): \(problem)")
            return
        }
        // Both ends occur, so the test checks both.
        #expect(accepted > Self.bodiesPerOperation / 100, "seed \(seed)")
        #expect(accepted < Self.bodiesPerOperation * 9 / 10, "seed \(seed)")
    }

    /// What is wrong with the result for a body; `nil` if nothing is.
    private static func problem(_ operation: Operation, _ body: InputValue, accepted: inout Int) -> String? {
        let strict = WriteRules()
        do throws(BillingFailure) {
            let write = try AccountWrite.make(operation, of: account, from: body, rules: strict)
            accepted += 1
            let again = try AccountWrite.make(operation, of: account, from: write.body, rules: strict)
            if again != write { return "the body of the write makes another write" }
            let lenient = try AccountWrite.make(operation, of: account, from: body, rules: WriteRules(isStrict: false))
            if lenient != write { return "without strict rules it is another write" }
            if again.body.canonicalBytes() != write.body.canonicalBytes() { return "the canonical bytes differ" }
            return nil
        } catch {
            guard case .invalid(let violations) = error else { return "\(error)" }
            if violations.isEmpty { return "no violation is named" }
            if violations.count > 101 { return "\(violations.count) violations" }
            let unreadable = violations.first {
                $0.message.isEmpty || $0.message.unicodeScalars.contains { $0.value < 32 }
            }
            if let unreadable { return unreadable.message }
            let long = violations.first { $0.message.utf8.count > 600 || $0.field.utf8.count > 600 }
            return long.map { "a long violation: \($0.message)" }
        }
    }

    @Test("Mutated plans of an account end every rule about them in a decision")
    func mutatedPlans() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var mutations = MutatedInput(seed: seed)
        let writes = try Self.operations.flatMap { operation in
            try Self.bodies(of: operation).map {
                try AccountWrite.make(operation, of: account, from: $0, rules: WriteRules())
            }
        }
        let plans = PlanRulesTests.documented.filter { $0.operation == .subscribePlans }.map {
            $0.body.with("contact", nil)
        }
        for number in 0..<5000 {
            let state = AccountPlans(reading: mutations.mutation(of: plans[number % plans.count]))
            let write = writes[number % writes.count]
            for violation in write.violations(given: state) {
                #expect(!violation.message.isEmpty, "seed \(seed), plans \(number)")
            }
            let isShown = write.isShown(by: .plans(state))
            let differences = write.differences(from: .plans(state))
            // An update of the base plan is compared with one plan, so that it shows the change if nothing differs.
            if write.operation == .updateBasePlan {
                #expect(!isShown || differences.isEmpty, "seed \(seed), plans \(number): \(differences)")
            }
        }
    }

    @Test("Canonical bytes are equal exactly for values that mean the same")
    func canonicalBytes() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed: seed)
        var meanings: [[UInt8]: Meaning] = [:]
        var bytes: [Meaning: [UInt8]] = [:]
        for number in 0..<20_000 {
            let meaning = Meaning.random(depth: 0, using: &random)
            let encoded = meaning.input(using: &random).canonicalBytes()
            #expect(
                meanings.updateValue(meaning, forKey: encoded) ?? meaning == meaning, "seed \(seed), value \(number)")
            #expect(bytes.updateValue(encoded, forKey: meaning) ?? encoded == encoded, "seed \(seed), value \(number)")
        }
        #expect(meanings.count > 1000)
        #expect(meanings.count < 20_000)
    }
}

/// A value without its spelling: numbers have a value, and members have no order.
private indirect enum Meaning: Hashable {
    case text(String)
    case number(Int, tenths: Int)
    case boolean(Bool)
    case null
    case list([Meaning])
    case object([String: Meaning])

    static func random(depth: Int, using random: inout SeededRandom) -> Meaning {
        let texts = ["", "a", "b", "1", "t1:a", "m1:a", "l0:", "o1:"]
        switch Int.random(in: 0..<(depth < 3 ? 7 : 4), using: &random) {
        case 0: return .null
        case 1: return .boolean(Bool.random(using: &random))
        case 2: return .text(texts.randomElement(using: &random) ?? "")
        case 3: return .number(Int.random(in: -2...30, using: &random), tenths: Int.random(in: 0...1, using: &random))
        case 4:
            return .list(
                (0..<Int.random(in: 0...3, using: &random)).map { _ in .random(depth: depth + 1, using: &random) })
        default:
            var members: [String: Meaning] = [:]
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                members[texts.randomElement(using: &random) ?? ""] = .random(depth: depth + 1, using: &random)
            }
            return .object(members)
        }
    }

    /// One of the spellings of the value.
    func input(using random: inout SeededRandom) -> InputValue {
        switch self {
        case .text(let text): return .text(text)
        case .boolean(let value): return .boolean(value)
        case .null: return .null
        case .list(let values): return .list(values.map { $0.input(using: &random) })
        case .object(let members):
            return .object(
                members.shuffled(using: &random).map { .init(name: $0.key, value: $0.value.input(using: &random)) })
        case .number(let whole, let tenths):
            let hundredths = whole * 100 + (whole < 0 ? -tenths : tenths) * 10
            let spellings = [
                "\(hundredths)e-2", "\(hundredths)0E-03", "\(hundredths).00e-2",
                tenths == 0 ? "\(whole)" : "\(whole).\(tenths)", "\(whole).\(tenths)00",
            ]
            return .number(spellings.randomElement(using: &random) ?? "")
        }
    }
}
