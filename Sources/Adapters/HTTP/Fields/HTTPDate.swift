import FoundationEssentials

/// Formats and parses HTTP dates in IMF-fixdate format (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`. The two
/// obsolete formats are not supported.
package enum HTTPDate {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// 1970-01-01 was a Thursday.
    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]

    /// The length of every date.
    static let bytesCount = 29

    package static func text(secondsSinceEpoch seconds: Int64) -> String {
        let bytes = bytes(secondsSinceEpoch: seconds)
        return String(decoding: (0..<bytesCount).map { bytes[$0] }, as: UTF8.self)
    }

    /// Formats a date as ASCII without an allocation.
    ///
    /// - Parameter seconds: Clamped to the years 1970 to 9999.
    static func bytes(secondsSinceEpoch seconds: Int64) -> InlineArray<29, UInt8> {
        let seconds = Int(min(max(seconds, 0), 253_402_300_799))
        let (days, time) = seconds.quotientAndRemainder(dividingBy: 86_400)
        let (year, month, day) = civil(daysSinceEpoch: days)
        var bytes = InlineArray<29, UInt8>(repeating: UInt8(ascii: " "))
        func write(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { bytes[offset + index] = byte }
        }
        func write(_ number: Int, digits: Int, at offset: Int) {
            var rest = number
            for index in (0..<digits).reversed() {
                bytes[offset + index] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            }
        }
        write(weekdays[days % 7], at: 0)
        write(",", at: 3)
        write(day, digits: 2, at: 5)
        write(months[month - 1], at: 8)
        write(year, digits: 4, at: 12)
        write(time / 3600, digits: 2, at: 17)
        write(":", at: 19)
        write(time / 60 % 60, digits: 2, at: 20)
        write(":", at: 22)
        write(time % 60, digits: 2, at: 23)
        write("GMT", at: 26)
        return bytes
    }

    /// Converts a day number to a date of the Gregorian calendar.
    private static func civil(daysSinceEpoch days: Int) -> (year: Int, month: Int, day: Int) {
        // Days since 1 March of year 0, so that a leap day is the last day of its year. An era is 400 years.
        let shifted = days + 719_468
        let (era, dayOfEra) = shifted.quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }

    /// Parses a date to seconds since 1970; `nil` if `text` is not an IMF-fixdate. The weekday is ignored.
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
