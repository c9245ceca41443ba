/// A class of operations that share a rate limit (Zoom: rate limits).
package enum ZoomRateLabel: String, Sendable, CaseIterable {
    case light = "Light"
    case medium = "Medium"
    case heavy = "Heavy"
}
