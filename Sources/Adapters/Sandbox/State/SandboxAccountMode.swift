/// A condition of an account under which Zoom refuses writes. `POST /sandbox/account` sets it.
///
/// The raw values are those of the request; see `docs/sandbox.md`.
package enum SandboxAccountMode: String, Sendable, CaseIterable {
    case regular
    /// The master account has bulk licenses: no write of plans is possible.
    case bulkLicenses = "bulk-licenses"
    case freeTrial = "free-trial"
    case vip
    /// The owner of the account cannot be found.
    case unknownUser = "unknown-user"
    /// The billing system has no subscription of the account.
    case unknownSubscription = "unknown-subscription"
    /// The billing system refuses each change of an additional plan.
    case changeFails = "change-fails"
    /// The owner of the master account prevents new plans.
    case addingPrevented = "adding-prevented"
    /// Zoom Rooms are included in the hosts of the account's special pricing.
    case specialPricing = "special-pricing"
}
