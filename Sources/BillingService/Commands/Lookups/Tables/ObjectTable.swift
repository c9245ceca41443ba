import Adapters

/// The members of a JSON object as lines of a name and a value. Members of nested objects have the path as their name:
/// `options.pay_mode`.
struct ObjectTable {
    private var table = Table(
        [.init(title: "", content: .identifier), .init(title: "", content: .text)], hasTitles: false)

    init(_ members: [JSONObject.Member]) {
        add(members, under: "")
    }

    private mutating func add(_ members: [JSONObject.Member], under path: String) {
        for member in members { add(member.value, named: path + member.name) }
    }

    private mutating func add(_ value: JSONValue, named name: String) {
        switch value {
        case .object(let object) where !object.members.isEmpty: add(object.members, under: name + ".")
        case .array(let elements) where !elements.allSatisfy(\.isScalar):
            for (index, element) in elements.enumerated() { add(element, named: "\(name)[\(index)]") }
        case .object: table.add([name, ""])
        case .null, .bool, .number, .string, .array: table.add([name, value.cellText])
        }
    }

    func text(columnsMax: Int?) -> String {
        var table = table
        return table.takeText(columnsMax: columnsMax)
    }
}
