/// Who pays for a sub account.
package enum BillingMode: Sendable, Equatable, CaseIterable {
    /// The master account pays, and may see and change the sub account's billing.
    case masterPays
    /// The sub account pays for itself: its billing is not the master's to see.
    case selfPay

    /// Whether the master account may see the sub account's billing.
    package var showsBillingToMaster: Bool {
        switch self {
        case .masterPays: true
        case .selfPay: false
        }
    }
}
