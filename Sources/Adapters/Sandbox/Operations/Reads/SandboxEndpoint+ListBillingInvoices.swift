import NIOCore

extension SandboxEndpoint {
    /// The invoices of an account with dates from `from` to `to` (Zoom: List billing invoices).
    static let listBillingInvoices = SandboxEndpoint(
        title: "List billing invoices", method: .get, paths: ["/v2/accounts/{accountId}/billing/invoices"],
        access: .accessToken(
            anyOf: ["billing:master", "billing:read:list_invoices:master", "billing:read:list_invoices:admin"],
            label: .heavy, perAccount: .init(perDay: 6, spacing: .seconds(300), spaced: .byAccount),
            account: .subAccountOrMe),
        behaviour: .immediate { sandbox, call in
            sandbox.response(forPaid: call.account) { number in
                do throws(InvoiceRange.Problem) {
                    let range = try InvoiceRange(call.query, today: sandbox.today)
                    let invoices = sandbox.invoices
                    return list(
                        invoices.list(
                            of: number, from: range.from, to: range.to, today: sandbox.today,
                            charges: sandbox.records[number]?.charges),
                        currency: invoices.currency(of: number))
                } catch {
                    return error.response
                }
            }
        })

    private static func list(_ invoices: [SandboxInvoice], currency: String) -> HTTPResponse {
        SandboxResponse.json(status: 200) { object in
            object.member("currency", currency)
            object.member("invoices") { buffer in
                buffer.writeJSONArray(invoices) { buffer, invoice in
                    buffer.writeJSONObject { invoice.writeSummary(to: &$0) }
                }
            }
        }
    }

    /// The range of a request: at most one year, not earlier than three years ago.
    private struct InvoiceRange {
        enum Problem: Error {
            case repeated
            case missing(String)
            case invalid(String, String)

            /// Zoom does not document the errors of these parameters. The messages have the form of its other errors.
            var response: HTTPResponse {
                switch self {
                case .repeated: SandboxResponse.error(400, 300, "Validation Failed.")
                case .missing(let name): SandboxResponse.error(400, 300, "Missing field: \(name).")
                case .invalid(let name, let message): SandboxResponse.invalid(name, message)
                }
            }
        }

        let from: SandboxDate
        let to: SandboxDate

        init(_ query: [String: String]?, today: SandboxDate) throws(Problem) {
            guard let query else { throw .repeated }
            from = try Self.date("from", query)
            to = try Self.date("to", query)
            guard from <= to else { throw .invalid("from", "The start date is after the end date.") }
            guard to <= from.adding(years: 1) else { throw .invalid("to", "The date range is longer than one year.") }
            guard from >= today.adding(years: -3) else {
                throw .invalid("from", "The start date is more than three years ago.")
            }
        }

        private static func date(_ name: String, _ query: [String: String]) throws(Problem) -> SandboxDate {
            guard let text = query[name], !text.isEmpty else { throw .missing(name) }
            guard let date = SandboxDate(text) else { throw .invalid(name, "Invalid field.") }
            return date
        }
    }
}
