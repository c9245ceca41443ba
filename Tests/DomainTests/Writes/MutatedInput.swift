import Domain
import DomainFakes

/// Changes bodies at random, as faulty and hostile clients do.
struct MutatedInput {
    private var random: SeededRandom

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    /// The value with one to four changes.
    mutating func mutation(of value: InputValue) -> InputValue {
        var value = value
        for _ in 0..<Int.random(in: 1...4, using: &random) { value = changed(value, depth: 0) }
        return value
    }

    private mutating func isOne(in count: Int) -> Bool { Int.random(in: 0..<count, using: &random) == 0 }

    /// Changes the value itself, or one inside it.
    private mutating func changed(_ value: InputValue, depth: Int) -> InputValue {
        switch value {
        case .object(let members) where !members.isEmpty && !isOne(in: 5):
            return .object(changed(members, depth: depth))
        case .list(let values) where !values.isEmpty && !isOne(in: 5):
            return .list(changed(values, depth: depth))
        case .text, .number, .boolean, .null, .list, .object:
            return depth == 0 && !isOne(in: 50) ? value : replacement(for: value)
        }
    }

    private mutating func changed(_ members: [InputValue.Member], depth: Int) -> [InputValue.Member] {
        var members = members
        let index = Int.random(in: members.indices, using: &random)
        let member = members[index]
        switch Int.random(in: 0..<10, using: &random) {
        case 0: members.remove(at: index)
        case 1: members.insert(member, at: Int.random(in: 0...members.count, using: &random))
        case 2: members[index] = .init(name: mistyped(member.name), value: member.value)
        case 3: members.append(.init(name: Self.names.randomElement(using: &random) ?? "", value: member.value))
        case 4: members.shuffle(using: &random)
        default: members[index] = .init(name: member.name, value: changed(member.value, depth: depth + 1))
        }
        return members
    }

    private mutating func changed(_ values: [InputValue], depth: Int) -> [InputValue] {
        var values = values
        let index = Int.random(in: values.indices, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: values.remove(at: index)
        case 1: values.append(values[index])
        default: values[index] = changed(values[index], depth: depth + 1)
        }
        return values
    }

    private mutating func mistyped(_ name: String) -> String {
        var characters = Array(name)
        guard !characters.isEmpty else { return "x" }
        let index = Int.random(in: characters.indices, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: characters.remove(at: index)
        case 1: characters.insert("e", at: index)
        case 2: characters.swapAt(index, characters.count - 1)
        default: return oddText()
        }
        return String(characters)
    }

    private mutating func replacement(for value: InputValue) -> InputValue {
        switch Int.random(in: 0..<12, using: &random) {
        case 0: return .null
        case 1: return .boolean(Bool.random(using: &random))
        case 2: return .list([value, value])
        case 3: return .object([.init(name: "type", value: value)])
        case 4: return nested(value)
        case 5, 6: return .number(Self.numbers.randomElement(using: &random) ?? "0")
        case 7: return .text(oddText())
        case 8: return .text(Self.codes.randomElement(using: &random) ?? "")
        case 9: return .list(Array(repeating: value, count: Int.random(in: 0...150, using: &random)))
        default:
            guard case .text(let text) = value else { return .number("\(Int.random(in: 0...12, using: &random))") }
            return .text(mistyped(text))
        }
    }

    private mutating func nested(_ value: InputValue) -> InputValue {
        var value = value
        for _ in 0..<Int.random(in: 1...200, using: &random) {
            value = isOne(in: 2) ? .list([value]) : .object([.init(name: "plan_base", value: value)])
        }
        return value
    }

    private mutating func oddText() -> String {
        var text = Self.texts.randomElement(using: &random) ?? ""
        if isOne(in: 20) { text = String(repeating: text, count: 300) }
        return text
    }

    private static let numbers = [
        "0", "-0", "-1", "1e0", "1.0", "1.5", "9999", "10000", "1e400", "-1e400", "1e-400", "1e99999999999999999999",
        "0.00000000000000000000000000000000000001", "9223372036854775808", String(repeating: "9", count: 1000), "",
        "NaN", "1e",
    ]

    private static let texts = [
        "", " ", "\u{0}", "a\u{0}b", "\n", "a\r\nb", "\u{85}", "\u{2028}", "\u{202E}abc", "\u{2066}", "\u{FEFF}",
        "\u{FFFD}",
        "\u{FFFF}", "e\u{301}\u{301}\u{301}", "👩‍👩‍👧‍👦", "İstanbul", "ß", "東京", "\u{10FFFF}", "\u{1F1E6}", "plan_", "plan_x",
        "plan_webinars", "__proto__", "a@b.example", "@", "2026-02-30", "2026-02-28", "US", "us", "US,CA", ",", "\"",
        "\\",
    ]

    private static let codes = [
        "monthly", "business_yearly", "webinar500_monthly", "webinar500", "zroom_monthly", "pro_zpp_monthly",
        "cmr_monthly_commitment_40", "tollfree_payongo", "zobp_usca_monthly_unlimited", "plan_phone", "unknown_code",
        "trial",
    ]

    private static let names = [
        "type", "hosts", "contact", "plan_base", "plan_united", "plan_phone", "plan_details", "plan_new", "action",
        "reason",
        "first_name", "email", "country", "state", "", "subscription_options", "plan_bundle", "plan_audio",
        "callout_countries",
    ]
}
