/// The operations of Zoom that the sandbox implements.
package enum SandboxOperation: String, Sendable, CaseIterable {
    case token
    case listSubAccounts = "accounts"
    case getSubAccount = "account"
    case getBilling = "billing"
    case getPlanUsage = "plan-usage"
    case listInvoices = "invoices"

    /// The rate limit label; nil for tokens (Zoom: the page of the operation).
    var label: SandboxRateLimits.Label? {
        switch self {
        case .token: nil
        case .getSubAccount: .light
        case .listSubAccounts, .getBilling: .medium
        case .getPlanUsage, .listInvoices: .heavy
        }
    }

    /// The scopes, any one of which permits the operation.
    var scopes: [String] {
        switch self {
        case .token: []
        case .listSubAccounts: ["account:master", "account:read:list_sub_accounts:master"]
        case .getSubAccount: ["account:master", "account:read:sub_account:master"]
        case .getBilling: ["billing:master", "billing:read:billing_information:master"]
        case .getPlanUsage: ["billing:master", "account:master", "billing:read:plan_usage:master"]
        case .listInvoices: ["billing:master", "billing:read:list_invoices:master"]
        }
    }

    /// The operation and the account of a request.
    static func of(method: some Collection<UInt8>, path: some Collection<UInt8>) -> (Self, account: String)? {
        let path = String(decoding: path, as: UTF8.self)
        if method.elementsEqual("POST".utf8) { return path == "/oauth/token" ? (.token, "") : nil }
        guard method.elementsEqual("GET".utf8), path.hasPrefix("/v2/accounts") else { return nil }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst(3)
        guard let account = parts.first.map(String.init) else { return (.listSubAccounts, "") }
        return switch parts.dropFirst() {
        case []: (.getSubAccount, account)
        case ["billing"]: (.getBilling, account)
        case ["plans", "usage"]: (.getPlanUsage, account)
        case ["billing", "invoices"]: (.listInvoices, account)
        default: nil
        }
    }
}
