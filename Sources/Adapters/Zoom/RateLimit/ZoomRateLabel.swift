import Domain

/// A class of operations that share a rate limit (Zoom: rate limits).
package enum ZoomRateLabel: String, Sendable, CaseIterable {
    case light = "Light"
    case medium = "Medium"
    case heavy = "Heavy"

    /// The titles of the operations that share the rate limit.
    package var operations: [String] { Operation.allCases.filter { $0.endpoint.rateLabel == self }.map(\.title) }
}
