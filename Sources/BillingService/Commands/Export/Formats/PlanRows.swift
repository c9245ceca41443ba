import Adapters

/// The plans of an account, one row for each plan, at whatever depth Zoom nests it.
///
/// The members `plan_*` are an open set. Each is a plan, an array of plans, an object of plans such as `plan_phone`, or the
/// code of a plan with members beside it, such as `plan_recording` and `plan_recording_status`.
struct PlanRows {
    struct Row {
        /// The names of the members that lead to the plan, with dots between them.
        let plan: String
        private(set) var members: [RecordMember]
    }

    private(set) var rows: [Row] = []

    /// Members beside the code of a plan that is a plain text.
    private static let companions = ["status", "service_effective_date", "next_invoice_date"]

    init(_ plans: JSONObject) {
        for member in plans.members {
            switch member.value {
            case .object, .array: add(member.value, at: member.name)
            case .null: break
            case .bool, .number, .string:
                if Self.isCompanion(member.name, in: plans) { continue }
                let companions = Self.companions.compactMap { name in
                    plans.member("\(member.name)_\(name)").map { RecordMember($0, named: name) }
                }
                rows.append(Row(plan: member.name, members: [RecordMember(member, named: "type")] + companions))
            }
        }
    }

    private static func isCompanion(_ name: String, in plans: JSONObject) -> Bool {
        companions.contains { companion in
            guard name.hasSuffix("_" + companion) else { return false }
            return plans[String(name.dropLast(companion.count + 1))]?.text != nil
        }
    }

    private mutating func add(_ value: JSONValue, at path: String) {
        switch value {
        case .object(let object):
            let isPart = { (member: JSONObject.Member) in member.value.containsObject }
            let own = object.members.filter { !isPart($0) }
            if !own.isEmpty || object.members.isEmpty {
                rows.append(Row(plan: path, members: own.map { RecordMember($0, named: $0.name) }))
            }
            for part in object.members where isPart(part) { add(part.value, at: "\(path).\(part.name)") }
        case .array(let elements):
            for element in elements { add(element, at: path) }
        case .number(let text), .string(let text):
            rows.append(Row(plan: path, members: [RecordMember(name: "type", text: text)]))
        case .null, .bool: break
        }
    }
}

/// A member of a record, as text for a table.
struct RecordMember {
    let name: String

    /// The text of a string, the digits of a number, or the JSON text of any other value; empty for null.
    let text: String

    /// The JSON text.
    let json: [UInt8]

    init(_ member: JSONObject.Member, named name: String) {
        self.name = name
        json = Array(member.text)
        text =
            switch member.value {
            case .null: ""
            case .number(let text), .string(let text): text
            case .bool, .array, .object: String(decoding: member.text, as: UTF8.self)
            }
    }

    init(name: String, text: String) {
        self.name = name
        self.text = text
        json = []
    }
}

extension JSONObject {
    fileprivate func member(_ name: String) -> Member? { members.last { $0.name == name } }
}

extension JSONValue {
    /// Whether it is an object, or an array with an object.
    fileprivate var containsObject: Bool {
        switch self {
        case .object: true
        case .array(let elements): elements.contains(where: \.containsObject)
        case .null, .bool, .number, .string: false
        }
    }
}
