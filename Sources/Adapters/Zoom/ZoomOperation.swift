/// What this service asks of Zoom, and what its app must be permitted for that.
package enum ZoomOperation: Sendable, CaseIterable {
    case getBillingInformation
    case listSubAccounts

    /// As Zoom calls it.
    package var title: String {
        switch self {
        case .getBillingInformation: "Get billing information"
        case .listSubAccounts: "List sub accounts"
        }
    }

    /// Its path, without what differs from call to call.
    var template: String {
        switch self {
        case .getBillingInformation: "/accounts/{accountId}/billing"
        case .listSubAccounts: "/accounts"
        }
    }

    /// Any one of them is enough: classic ones first, of which an app has either those or granular ones (Zoom: OAuth
    /// scopes, and the page of the operation).
    package var scopes: [String] {
        switch self {
        case .getBillingInformation:
            [
                "billing:master", "billing_plan:master", "billing:read:billing_information:master",
                "billing:read:billing_information:admin",
            ]
        case .listSubAccounts:
            ["account:master", "account:read:admin", "account:read:list_sub_accounts:master"]
        }
    }

    /// Under which rate limit it falls (Zoom: the page of the operation).
    package var label: ZoomRateLabel {
        switch self {
        case .getBillingInformation, .listSubAccounts: .medium
        }
    }

    package func isPermitted(by granted: Set<String>) -> Bool { scopes.contains(where: granted.contains) }

    /// Those that are not permitted; none if it is not said what is.
    static func missing(in granted: Set<String>?) -> [ZoomOperation] {
        granted.map { granted in allCases.filter { !$0.isPermitted(by: granted) } } ?? []
    }
}
