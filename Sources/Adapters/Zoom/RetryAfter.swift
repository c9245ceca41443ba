package import Domain
import FoundationEssentials

/// `Retry-After` as Zoom writes it: seconds, a date of HTTP (RFC 9110, 10.2.3), or ISO 8601 in UTC.
package enum RetryAfter {
    /// A day is the longest limit Zoom has.
    private static let longest = Duration.seconds(86_400)

    package static func duration(_ text: String, now: Timestamp) -> Duration? {
        if let seconds = Int64(text) {
            return seconds >= 0 ? min(.seconds(seconds), longest) : nil
        }
        let iso = (try? Date(text, strategy: .iso8601))?.timeIntervalSince1970.rounded(.up)
        guard let moment = iso ?? HTTPDate.secondsSinceEpoch(text).map(Double.init) else { return nil }
        let seconds = moment - Double(now.secondsSinceEpoch)
        return min(max(.zero, .seconds(seconds)), longest)
    }
}
