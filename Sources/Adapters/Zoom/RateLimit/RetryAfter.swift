package import Domain
import FoundationEssentials

/// `Retry-After` in the forms that Zoom uses: seconds, an HTTP date (RFC 9110, 10.2.3), or ISO 8601 in UTC.
package enum RetryAfter {
    /// Rate limits of Zoom last for a day at most.
    private static let durationMax = Duration.seconds(86_400)

    static func duration(of response: ClientResponse, now: Timestamp) -> Duration? {
        response.fields.string(.retryAfter).flatMap { duration($0, now: now) }
    }

    package static func duration(_ text: String, now: Timestamp) -> Duration? {
        if let seconds = Int64(text) {
            return seconds >= 0 ? min(.seconds(seconds), durationMax) : nil
        }
        let iso = (try? Date(text, strategy: .iso8601))?.timeIntervalSince1970.rounded(.up)
        guard let moment = iso ?? HTTPDate.secondsSinceEpoch(text).map(Double.init) else { return nil }
        let seconds = moment - Double(now.secondsSinceEpoch)
        return min(max(.zero, .seconds(seconds)), durationMax)
    }
}
