import Adapters

/// The plans of an account, a row for each plan.
struct PlanTable {
    private var table: MemberTable

    /// - Parameter members: The columns besides the name and the code of the plan.
    init(_ plans: JSONObject, _ members: [MemberTable.Member]) {
        table = MemberTable(
            leading: [.init(title: "PLAN", content: .identifier)],
            [.init(title: "TYPE", name: "type", content: .identifier)] + members)
        for row in PlanRows(plans).rows {
            table.add(row.members.map { (name: $0.name, text: $0.text) }, leading: [row.plan])
        }
    }

    /// The plans in the answer to *Get plan information* or *Subscribe plans*.
    init(plans: JSONObject) {
        self.init(
            plans,
            [
                .init(title: "HOSTS", name: "hosts", content: .number), .init(title: "STATUS", name: "status"),
                .init(title: "EFFECTIVE", name: "service_effective_date", content: .identifier),
                .init(title: "NEXT-INVOICE", name: "next_invoice_date", content: .identifier),
            ])
    }

    func text(columnsMax: Int?) -> String {
        var table = table
        return table.takeText(columnsMax: columnsMax)
    }
}
