import NIOCore

extension SandboxEndpoint {
    /// An invoice with its items (Zoom: Get invoice details).
    static let getInvoiceDetails = SandboxEndpoint(
        title: "Get invoice details", method: .get,
        paths: ["/v2/accounts/{accountId}/billing/invoices/{invoiceId}"],
        access: .accessToken(
            anyOf: ["billing:master", "billing:read:invoice_details:master", "billing:read:invoice_details:admin"],
            label: .heavy, perAccount: .init(perDay: 100, spacing: .seconds(1800), spaced: .byInvoice),
            account: .subAccountOrMe),
        behaviour: .immediate { sandbox, call in
            sandbox.response(forPaid: call.account) { number in
                guard let invoice = sandbox.invoice(call.invoice), invoice.account == number else {
                    return SandboxResponse.unknownInvoice(call.invoice)
                }
                return details(invoice, hasAdditionalMembers: sandbox.accounts.kind(of: number) == .additionalMembers)
            }
        })

    private static func details(_ invoice: SandboxInvoice, hasAdditionalMembers: Bool) -> HTTPResponse {
        SandboxResponse.json(status: 200) { object in
            invoice.writeSummary(to: &object)
            object.member("currency", invoice.currency)
            if hasAdditionalMembers {
                object.member("exchange_rate") { $0.writeString("1.000000000000000000001") }
            }
            object.member("invoice_items") { buffer in
                buffer.writeJSONArray(invoice.items.enumerated()) { buffer, entry in
                    buffer.writeJSONObject { write(entry.element, entry.offset, of: invoice, to: &$0) }
                }
            }
        }
    }

    private static func write(
        _ item: SandboxInvoice.Item, _ index: Int, of invoice: SandboxInvoice, to object: inout JSONMemberWriter
    ) {
        let charge = invoice.account % 10_000 * 10_000 + index
        object.member("charge_name", item.charge)
        object.member("charge_number", "C-\(SandboxAccounts.padded(charge, to: 8))")
        object.member("charge_type", item.type.rawValue)
        object.member("start_date", item.from.text)
        object.member("end_date", item.through.text)
        object.member("quantity", item.quantity)
        object.member("total_amount") { $0.writeString(item.total.text) }
        object.member("tax_amount") { $0.writeString(item.tax.text) }
        // Members that Zoom has added since.
        if invoice.account.isMultiple(of: 2) {
            object.member("partner_sku", "PAR-\(index)")
            object.member("purchase_order_number", "PO-\(invoice.account)")
        }
    }
}
