import Domain

extension ZoomEndpoint {
    /// The invoices of an account in a period (Zoom: List billing invoices).
    static let listBillingInvoices = ZoomEndpoint(
        .listBillingInvoices, .get, "/accounts/{accountId}/billing/invoices", rateLabel: .heavy,
        scopes: ["billing:master", "billing:read:list_invoices:master", "billing:read:list_invoices:admin"],
        answerBody: .object,
        interpret: { failure, _ in
            if failure.isFreeAccount { return .accountIsFree }
            // Zoom may count three years or one year otherwise than `InvoicePeriod`. No other parameter can be wrong.
            guard case .api(_, 300, _, _) = failure else { return nil }
            return .invalid([.init(field: "from", message: "Zoom refuses this period.")])
        },
        readAnswer: { answer, _ throws(ZoomFailure) in .invoices(try InvoiceList(zoom: try answer.object())) })
}

extension InvoiceList {
    /// - Throws: `unreadable` if there is no list of objects.
    init(zoom object: JSONObject) throws(ZoomFailure) {
        guard let entries = object["invoices"]?.array else { throw .unreadable }
        var invoices: [Invoice] = []
        invoices.reserveCapacity(entries.count)
        for entry in entries {
            guard let invoice = entry.object else { throw .unreadable }
            invoices.append(
                Invoice(
                    id: invoice["id"]?.text.flatMap { InvoiceID($0) },
                    date: invoice["invoice_date"]?.string.flatMap { CalendarDate($0) }, document: invoice.document))
        }
        self.init(
            members: object.members.filter { $0.name != "invoices" }.map {
                UnreadMember(name: $0.name, value: Array($0.text))
            },
            invoices: invoices)
    }
}
