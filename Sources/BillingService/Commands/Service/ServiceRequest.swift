import Adapters
import Domain

/// A request to the service.
struct ServiceRequest: Sendable {
    enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    let method: Method
    private let segments: [String]
    private var query: [(name: String, value: String)]

    /// Fields beside those of every request.
    private(set) var fields: [(name: FieldName, value: String)] = []

    /// The JSON body; nil for none.
    private(set) var body: InputValue?

    private init(_ segments: [String], method: Method = .get, query: [(name: String, value: String)] = []) {
        self.segments = segments
        self.method = method
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

    static func change(_ change: AccountChange) -> ServiceRequest {
        var request = ServiceRequest(
            ["accounts", change.account.rawValue] + change.kind.path, method: change.kind.method)
        request.body = change.body
        return request
    }

    static func key(_ key: IdempotencyKey, method: Method = .get) -> ServiceRequest {
        ServiceRequest(["billing", "idempotency-keys", key.rawValue], method: method)
    }

    /// The change is checked, but not sent to Zoom.
    var dryRun: ServiceRequest {
        var request = self
        request.query.append(("dry_run", "true"))
        return request
    }

    /// A lookup that is not answered from the service's cache.
    var uncached: ServiceRequest { with(.cacheControl, "no-cache") }

    func with(_ name: FieldName, _ value: String) -> ServiceRequest {
        var request = self
        request.fields.append((name, value))
        return request
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
