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
        guard let date = (try? Date(text, strategy: .iso8601)) ?? httpDate(text) else { return nil }
        let seconds = date.timeIntervalSince1970.rounded(.up) - Double(now.secondsSinceEpoch)
        return min(max(.zero, .seconds(seconds)), longest)
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form of a date that is still sent (RFC 9110, 5.6.7).
    private static func httpDate(_ text: String) -> Date? {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[5] == "GMT", parts[1].utf8.count == 2, parts[3].utf8.count == 4,
            let month = months.firstIndex(of: String(parts[2]))
        else { return nil }
        let digits = month < 9 ? "0\(month + 1)" : "\(month + 1)"
        return try? Date("\(parts[3])-\(digits)-\(parts[1])T\(parts[4])Z", strategy: .iso8601)
    }
}
