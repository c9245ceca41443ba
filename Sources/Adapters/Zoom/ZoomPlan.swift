/// Zoom's plan of the master account, which decides how much it may ask (Zoom: rate limits).
package enum ZoomPlan: String, Sendable, CaseIterable {
    case free
    case pro
    /// Business, and all above it.
    case business

    /// Requests a second for operations labelled Medium, shared by all programs of the account. Both looking up a
    /// billing contact and listing sub accounts are Medium.
    package var mediumPerSecond: Double {
        switch self {
        case .free: 2
        case .pro: 20
        case .business: 60
        }
    }
}
