import Domain

/// A civil time in milliseconds since 1970-01-01T00:00:00Z, as RFC 3339 text: `2026-01-31T12:00:00.250Z`.
package struct MillisecondTime: Sendable, Equatable {
    package let milliseconds: Int64

    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// Parses a time in UTC with up to nine digits after the second; those after the third are ignored. `nil` for every other
    /// form.
    package init?(rfc3339 text: String) {
        // Libraries that parse and write times prefer the second form.
        guard let zone = ["Z", "+00:00"].first(where: { text.hasSuffix($0) }) else { return nil }
        let parts = text.dropLast(zone.count).split(separator: ".", omittingEmptySubsequences: false)
        guard let second = parts.first.flatMap({ Timestamp(rfc3339: "\($0)Z") }), parts.count <= 2 else { return nil }
        var fraction: Int64 = 0
        if parts.count == 2 {
            guard (1...9).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy({ (48...57).contains($0) }) else {
                return nil
            }
            let digits = (parts[1] + "00").prefix(3)
            fraction = Int64(digits) ?? 0
        }
        milliseconds = second.secondsSinceEpoch * 1000 + fraction
    }

    package var rfc3339: String {
        let (seconds, fraction) = milliseconds.quotientAndRemainder(dividingBy: 1000)
        let digits = String(fraction)
        return Timestamp(secondsSinceEpoch: seconds).rfc3339.dropLast() + "."
            + String(repeating: "0", count: 3 - digits.count) + digits + "Z"
    }
}
