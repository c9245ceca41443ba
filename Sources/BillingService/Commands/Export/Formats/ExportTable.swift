import Adapters
import NIOCore

/// The columns and rows of a CSV export, which has records of one type.
struct ExportTable: Sendable {
    let type: RecordType

    /// The columns that only this type has. They follow the account and the time.
    private var ownColumns: [String] {
        switch type {
        case .contact: ContactFieldNames.inOrder
        case .plans: ["plan"] + Self.planMembers.map(\.column) + ["other"]
        case .usage: ["plan"] + Self.usageMembers + ["other"]
        case .invoices: ["currency"] + Self.invoiceMembers.map(\.column) + ["other"]
        }
    }

    var columns: [String] {
        ["account_id", "as_of"] + ownColumns + ["status", "code", "message"]
            + (type == .invoices ? ["retry_after"] : [])
    }

    /// Members of a plan that have a column. `status` is the column of a failure.
    private static let planMembers: [(member: String, column: String)] = [
        ("type", "type"), ("hosts", "hosts"), ("status", "plan_status"),
        ("service_effective_date", "service_effective_date"), ("next_invoice_date", "next_invoice_date"),
    ]

    private static let usageMembers = ["type", "hosts", "usage", "pending"]

    private static let invoiceMembers: [(member: String, column: String)] = [
        ("id", "id"), ("invoice_number", "invoice_number"), ("invoice_date", "invoice_date"),
        ("due_date", "due_date"), ("target_date", "target_date"), ("status", "invoice_status"),
        ("total_amount", "total_amount"), ("tax_amount", "tax_amount"), ("balance", "balance"),
    ]

    /// The columns with amounts, which spreadsheets add up.
    var amountColumns: [Int] {
        columns.indices.filter { ["total_amount", "tax_amount", "balance"].contains(columns[$0]) }
    }

    /// The rows of a record: one for a contact or a failure, otherwise one for each plan or invoice. An account that has none
    /// has one row without them.
    func rows(of record: JSONObject) -> [[String]] {
        let account = [record["account_id"]?.text ?? "", record["as_of"]?.text ?? ""]
        let failure = ["status", "code", "message"].map { record[$0]?.text ?? "" }
        let last = failure + (type == .invoices ? [record["retry_after"]?.text ?? ""] : [])
        let own = record[type.memberName]?.object.map(ownRows) ?? []
        guard !own.isEmpty else { return [account + ownColumns.map { _ in "" } + last] }
        return own.map { account + $0 + last }
    }

    private func ownRows(_ object: JSONObject) -> [[String]] {
        switch type {
        case .contact: [ContactFieldNames.inOrder.map { object[$0]?.text ?? "" }]
        case .plans: planRows(object, Self.planMembers.map(\.member))
        case .usage: planRows(object, Self.usageMembers)
        case .invoices: invoiceRows(object)
        }
    }

    private func planRows(_ plans: JSONObject, _ names: [String]) -> [[String]] {
        PlanRows(plans).rows.map { [$0.plan] + Self.values($0.members, names) }
    }

    private func invoiceRows(_ list: JSONObject) -> [[String]] {
        let invoices = list["invoices"]?.array?.compactMap(\.object) ?? []
        return invoices.map { invoice in
            // The currency is that of the list.
            let members = invoice.members.map { RecordMember($0, named: $0.name) }
            return [list["currency"]?.text ?? ""] + Self.values(members, Self.invoiceMembers.map(\.member))
        }
    }

    /// The texts of the named members, and a JSON object of the others; empty if there are none.
    private static func values(_ members: [RecordMember], _ names: [String]) -> [String] {
        let others = members.filter { !names.contains($0.name) }
        var rest = ByteBuffer()
        if !others.isEmpty {
            rest.writeJSONObject { object in
                for member in others { object.member(named: member.name, text: member.json) }
            }
        }
        return names.map { name in members.last { $0.name == name }?.text ?? "" } + [String(buffer: rest)]
    }
}

extension RecordType {
    /// The member of a line that has Zoom's object.
    fileprivate var memberName: String { member.description }
}
