import NIOCore

extension SandboxEndpoint {
    /// The invoices of an account, of which the sandbox has one each (Zoom: List billing invoices).
    static let listInvoices = SandboxEndpoint(
        title: "List billing invoices", method: .get, path: "/v2/accounts/{accountId}/billing/invoices",
        access: .accessToken(
            anyOf: ["billing:master", "billing:read:list_invoices:master"], label: .heavy,
            perAccount: SandboxRateLimits.PerAccount(perDay: 6, spacing: .seconds(300))),
        behaviour: .immediate { sandbox, call in sandbox.response(forMasterPaid: call.account, invoices) })

    private static func invoices(_ number: Int) -> HTTPResponse {
        SandboxResponse.json(status: 200) { object in
            object.member("currency", "USD")
            object.member("invoices") { buffer in
                buffer.writeJSONArray([number]) { buffer, number in
                    buffer.writeJSONObject { invoice in
                        invoice.member("id", "2c92a0f9\(String(number, radix: 16))")
                        invoice.member("invoice_number", "INV\(100_000_000 + number)")
                        invoice.member("invoice_date", "2026-03-01")
                        invoice.member("due_date", "2026-03-31")
                        invoice.member("target_date", "2026-03-01")
                        invoice.member("status", "Posted")
                        invoice.member("total_amount") { $0.writeString("\(1000 + number % 1000).50") }
                        invoice.member("tax_amount", 0)
                        invoice.member("balance", 0)
                    }
                }
            }
        }
    }
}
