import Adapters

/// Invoices and their items for people.
enum InvoiceTables {
    /// The answer of *List billing invoices*: a row for each invoice.
    static func list(_ answer: JSONObject, columnsMax: Int?) -> String {
        let invoices = answer["invoices"]?.array?.compactMap(\.object) ?? []
        let others = answer.members.filter { $0.name != "invoices" }
        var table = MemberTable([
            .init(title: "ID", name: "id", content: .identifier),
            .init(title: "NUMBER", name: "invoice_number", content: .identifier),
            .init(title: "DATE", name: "invoice_date", content: .identifier),
            .init(title: "STATUS", name: "status"),
            .init(title: "TOTAL", name: "total_amount", content: .number),
            .init(title: "TAX", name: "tax_amount", content: .number),
            .init(title: "BALANCE", name: "balance", content: .number), .init(title: "CURRENCY", name: "currency"),
            .init(title: "DUE", name: "due_date", content: .identifier),
            .init(title: "TARGET", name: "target_date", content: .identifier),
        ])
        // The currency is a member of the list, and in details of the invoice.
        for invoice in invoices { table.add(others + invoice.members) }
        return table.takeText(columnsMax: columnsMax)
    }

    /// The answer of *Get invoice details*: the invoice, then a row for each item.
    static func details(_ invoice: JSONObject, columnsMax: Int?) -> String {
        let items = invoice["invoice_items"]?.array?.compactMap(\.object) ?? []
        guard !items.isEmpty else { return ObjectTable(invoice.members).text(columnsMax: columnsMax) }
        var table = MemberTable([
            .init(title: "CHARGE", name: "charge_name"),
            .init(title: "NUMBER", name: "charge_number", content: .identifier),
            .init(title: "TYPE", name: "charge_type"),
            .init(title: "START", name: "start_date", content: .identifier),
            .init(title: "END", name: "end_date", content: .identifier),
            .init(title: "QUANTITY", name: "quantity", content: .number),
            .init(title: "TOTAL", name: "total_amount", content: .number),
            .init(title: "TAX", name: "tax_amount", content: .number),
        ])
        for item in items { table.add(item.members) }
        let head = ObjectTable(invoice.members.filter { $0.name != "invoice_items" })
        return head.text(columnsMax: columnsMax) + "\n" + table.takeText(columnsMax: columnsMax)
    }
}
