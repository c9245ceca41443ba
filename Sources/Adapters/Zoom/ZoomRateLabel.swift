/// Zoom's classes of operations, each of which has a rate limit of its own (Zoom: rate limits).
package enum ZoomRateLabel: String, Sendable, CaseIterable {
    case light = "Light"
    case medium = "Medium"
    case heavy = "Heavy"
}
