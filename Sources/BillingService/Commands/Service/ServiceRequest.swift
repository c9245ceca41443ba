import Adapters
import Domain

/// A read operation of the service, with its parameters.
struct ServiceRequest: Sendable {
    private let segments: [String]
    private let query: [(name: String, value: String)]

    private init(_ segments: [String], query: [(name: String, value: String)] = []) {
        self.segments = segments
        self.query = query
    }

    static func billing(of account: AccountID) -> ServiceRequest {
        ServiceRequest(["accounts", account.rawValue, "billing"])
    }

    static func plans(of account: AccountID) -> ServiceRequest {
        ServiceRequest(["accounts", account.rawValue, "plans"])
    }

    static func planUsage(of account: AccountID) -> ServiceRequest {
        ServiceRequest(["accounts", account.rawValue, "plans", "usage"])
    }

    static func invoices(of account: AccountID, from: CalendarDate, to: CalendarDate) -> ServiceRequest {
        ServiceRequest(
            ["accounts", account.rawValue, "billing", "invoices"],
            query: [("from", from.description), ("to", to.description)])
    }

    static func invoice(_ invoice: InvoiceID, of account: AccountID) -> ServiceRequest {
        ServiceRequest(["accounts", account.rawValue, "billing", "invoices", invoice.rawValue])
    }

    static func invoiceFile(_ invoice: InvoiceID) -> ServiceRequest {
        ServiceRequest(["billing", "invoices", invoice.rawValue, "download"])
    }

    /// - Parameter pageToken: `next_page_token` of the page before; nil for the first page.
    static func accounts(pageSize: Int, pageToken: String?) -> ServiceRequest {
        var query = [(name: "page_size", value: "\(pageSize)")]
        if let pageToken { query.append(("next_page_token", pageToken)) }
        return ServiceRequest(["accounts"], query: query)
    }

    static func account(_ account: AccountID) -> ServiceRequest {
        ServiceRequest(["accounts", account.rawValue])
    }

    /// The path and query.
    ///
    /// - Parameter basePath: The path of the service's URL without a trailing slash.
    func target(under basePath: String) -> String {
        let path = segments.map { "/" + PercentEncoding.encode($0) }.joined()
        let parameters = query.map { "\($0.name)=\(PercentEncoding.encode($0.value))" }
        return "\(basePath)/v2\(path)" + (parameters.isEmpty ? "" : "?" + parameters.joined(separator: "&"))
    }
}
