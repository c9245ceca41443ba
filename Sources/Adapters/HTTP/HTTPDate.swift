import FoundationEssentials

/// A date as HTTP writes it (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`. The two older forms, which nobody has sent
/// for decades, are not read.
package enum HTTPDate {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// The first of 1970 was a Thursday.
    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]

    package static func text(secondsSinceEpoch seconds: Int64) -> String {
        let day = Int(seconds / 86_400)
        let iso = Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
        // 2026-01-31T12:00:00Z
        let parts = iso.split { "-T:Z".contains($0) }
        guard parts.count == 6, let month = Int(parts[1]) else { return "" }
        let time = "\(parts[3]):\(parts[4]):\(parts[5])"
        return "\(weekdays[day % 7]), \(parts[2]) \(months[month - 1]) \(parts[0]) \(time) GMT"
    }

    /// Seconds since 1970; `nil` for what is no such date. The name of the day is not looked at.
    package static func secondsSinceEpoch(_ text: String) -> Int64? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[5] == "GMT", parts[1].utf8.count == 2, parts[3].utf8.count == 4,
            let month = months.firstIndex(of: String(parts[2]))
        else { return nil }
        let digits = month < 9 ? "0\(month + 1)" : "\(month + 1)"
        guard let date = try? Date("\(parts[3])-\(digits)-\(parts[1])T\(parts[4])Z", strategy: .iso8601) else {
            return nil
        }
        return Int64(date.timeIntervalSince1970)
    }
}
