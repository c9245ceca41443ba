extension SandboxEndpoint {
    /// The PDF file of an invoice (Zoom: Download an invoice file). It has two paths, of which neither names an account.
    static let downloadInvoiceFile = SandboxEndpoint(
        title: "Download an invoice file", method: .get,
        paths: ["/v2/billing/invoices/{invoiceId}/download", "/v2/api/download/billing/invoices/{invoiceId}"],
        access: .accessToken(
            anyOf: ["billing:master", "billing:read:download_invoice_file:master"], label: .heavy,
            perAccount: .init(perDay: 100, spacing: .seconds(1800), spaced: .byInvoice)),
        behaviour: .file { sandbox, call in
            guard let invoice = sandbox.invoice(call.invoice) else {
                return SandboxReply(SandboxResponse.unknownInvoice(call.invoice))
            }
            guard !sandbox.accounts.isSelfPay(invoice.account) else { return SandboxReply(SandboxResponse.selfPay) }
            return SandboxReply(sandbox.file(of: invoice))
        })
}
