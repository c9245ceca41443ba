package import Domain

extension Operation {
    /// How Zoom performs the operation.
    package var endpoint: ZoomEndpoint {
        switch self {
        case .getBillingInformation: .getBillingInformation
        case .listBillingInvoices: .listBillingInvoices
        case .getInvoiceDetails: .getInvoiceDetails
        case .downloadInvoiceFile: .downloadInvoiceFile
        case .getPlanInformation: .getPlanInformation
        case .getPlanUsage: .getPlanUsage
        case .listSubAccounts: .listSubAccounts
        case .getSubAccountDetails: .getSubAccountDetails
        case .updateBillingInformation: .updateBillingInformation
        case .subscribePlans: .subscribePlans
        case .subscribeAdditionalPlan: .subscribeAdditionalPlan
        case .updateAdditionalPlan: .updateAdditionalPlan
        case .cancelAdditionalPlans: .cancelAdditionalPlans
        case .updateBasePlan: .updateBasePlan
        case .cancelBasePlan: .cancelBasePlan
        }
    }

    /// Operations that an access token with these scopes does not permit; none if its scopes are unknown.
    static func missing(in granted: Set<String>?) -> [Operation] {
        granted.map { granted in allCases.filter { !$0.endpoint.isPermitted(by: granted) } } ?? []
    }
}
