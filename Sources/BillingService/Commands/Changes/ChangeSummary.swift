import Adapters

/// What a dry run says about a change: for each value that is sent, the present value and the new one.
struct ChangeSummary {
    private struct Row {
        let name: String

        /// nil if it is not known, or the value does not change.
        var old: String?
        let new: String
    }

    private let change: AccountChange
    private let operation: String
    private let rows: [Row]

    private static let arrow = "->"
    private static let gap = "  "

    /// Shown for a value that is absent.
    private static let absent = "(none)"

    /// - Parameters:
    ///   - dryRun: The answer of the service.
    ///   - plans: The plans of the account, for a cancellation.
    init(_ dryRun: JSONObject, of change: AccountChange, given plans: JSONObject? = nil) {
        self.change = change
        operation = TerminalText.escaped(dryRun["operation"]?.string ?? "")
        let differences = (dryRun["changes"]?.array ?? []).compactMap(\.object)
        func difference(_ field: String) -> JSONObject? { differences.first { $0["field"]?.string == field } }
        var rows: [Row] = []
        if let body = dryRun["body"] {
            Self.visit(body, at: "") { name, value in
                rows.append(Self.row(name, value, difference(name), of: change.kind))
            }
        }
        let names = Set(rows.map(\.name))
        for difference in differences {
            guard let name = difference["field"]?.string, !names.contains(name) else { continue }
            if let plans {
                rows += Self.rows(of: plans, withStatus: name, code: dryRun["body"]?.object?["type"]?.string)
            }
            rows.append(Self.row(name, "", difference, of: change.kind))
        }
        self.rows = rows
    }

    /// The code and the hosts of a plan that is cancelled.
    ///
    /// - Parameters:
    ///   - field: The path of the plan's status, such as `plan_base.status`.
    ///   - code: The code of the plan; nil for any.
    private static func rows(of plans: JSONObject, withStatus field: String, code: String?) -> [Row] {
        let suffix = ".status"
        guard field.hasSuffix(suffix) else { return [] }
        let path = String(field.dropLast(suffix.count))
        let plan = PlanRows(plans).rows.first { row in
            guard row.plan == path else { return false }
            return code == nil || row.members.contains { $0.name == "type" && $0.text == code }
        }
        return ["type", "hosts"].compactMap { name in
            guard let member = plan?.members.first(where: { $0.name == name }) else { return nil }
            return Row(name: TerminalText.escaped("\(path).\(name)"), new: TerminalText.escaped(member.text))
        }
    }

    private static func row(
        _ name: String, _ value: String, _ difference: JSONObject?, of kind: AccountChange.Kind
    ) -> Row {
        func text(_ name: String) -> String {
            guard let value = difference?[name], value != .null else { return absent }
            return TerminalText.escaped(value.cellText)
        }
        let name = TerminalText.escaped(name)
        if difference != nil { return Row(name: name, old: text("from"), new: text("to")) }
        let value = TerminalText.escaped(value)
        return Row(name: name, new: kind == .updateBilling ? "\(value) (unchanged)" : value)
    }

    /// Calls `body` for each scalar of a value, with its path: `plan_webinar[0].hosts`.
    private static func visit(_ value: JSONValue, at path: String, _ body: (String, String) -> Void) {
        switch value {
        case .object(let object):
            for member in object.members {
                visit(member.value, at: path.isEmpty ? member.name : "\(path).\(member.name)", body)
            }
        case .array(let elements):
            for (index, element) in elements.enumerated() { visit(element, at: "\(path)[\(index)]", body) }
        case .null, .bool, .number, .string: body(path, value.cellText)
        }
    }

    /// - Parameter columnsMax: The width of the terminal; nil if there is none. No value is truncated: a row that does not fit
    ///   has its values below its name.
    func text(columnsMax: Int?, hasColors: Bool) -> String {
        var text = "Account    \(change.account)\nOperation  \(operation)\n\n"
        let isWide = columnsMax.map { widest < $0 } ?? true
        for row in rows {
            text += isWide ? line(row, hasColors: hasColors) : Self.stacked(row, hasColors: hasColors)
        }
        if rows.isEmpty { text += "No value changes.\n" }
        if let costs = change.kind.costs { text += "\n\(costs)\n" }
        return text
    }

    private static func width(_ texts: some Sequence<String>) -> Int {
        texts.reduce(0) { max($0, DisplayWidth.columns(of: $1)) }
    }

    private var nameWidth: Int { Self.width(rows.map(\.name)) }
    private var oldWidth: Int { Self.width(rows.compactMap(\.old)) }

    /// The columns of the widest line.
    private var widest: Int {
        let values = rows.map { row in
            (row.old == nil ? 0 : oldWidth + Self.arrow.count + 2) + DisplayWidth.columns(of: row.new)
        }
        return nameWidth + Self.gap.count + (values.max() ?? 0)
    }

    private func line(_ row: Row, hasColors: Bool) -> String {
        let name = Self.padded(row.name, nameWidth)
        guard let old = row.old else { return name + Self.gap + row.new + "\n" }
        let padding = String(repeating: " ", count: oldWidth - DisplayWidth.columns(of: old))
        return name + Self.gap + Self.colored(old, .red, hasColors) + padding + " \(Self.arrow) "
            + Self.colored(row.new, .green, hasColors) + "\n"
    }

    private static func stacked(_ row: Row, hasColors: Bool) -> String {
        guard let old = row.old else { return "\(row.name)\n  \(row.new)\n" }
        return "\(row.name)\n  \(colored(old, .red, hasColors))\n  \(arrow) \(colored(row.new, .green, hasColors))\n"
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: width - DisplayWidth.columns(of: text))
    }

    private static func colored(_ text: String, _ style: TerminalStyle, _ hasColors: Bool) -> String {
        style.applied(to: text, hasColors)
    }
}
