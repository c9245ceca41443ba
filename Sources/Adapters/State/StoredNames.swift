import Domain

extension Operation {
    /// The name of the operation in the state file. Files of earlier versions have these names, so they must not change.
    var storedName: String {
        switch self {
        case .getBillingInformation: "get-billing-information"
        case .listBillingInvoices: "list-billing-invoices"
        case .getInvoiceDetails: "get-invoice-details"
        case .downloadInvoiceFile: "download-invoice-file"
        case .getPlanInformation: "get-plan-information"
        case .getPlanUsage: "get-plan-usage"
        case .listSubAccounts: "list-sub-accounts"
        case .getSubAccountDetails: "get-sub-account-details"
        case .updateBillingInformation: "update-billing-information"
        case .subscribePlans: "subscribe-plans"
        case .subscribeAdditionalPlan: "subscribe-additional-plan"
        case .updateAdditionalPlan: "update-additional-plan"
        case .cancelAdditionalPlans: "cancel-additional-plans"
        case .updateBasePlan: "update-base-plan"
        case .cancelBasePlan: "cancel-base-plan"
        }
    }

    /// `nil` for a name that this version does not know.
    init?(storedName: String) {
        guard let operation = Operation.allCases.first(where: { $0.storedName == storedName }) else { return nil }
        self = operation
    }
}

extension CallerKey {
    /// The stored form of the key: a SHA-256 digest, since the text of a key may be personal data. A line break separates the
    /// parts, since names contain none.
    var storedID: [UInt8] {
        SHA256Digest(of: "\(caller)\n\(master?.rawValue ?? "")\n\(key.rawValue)").bytes
    }
}
