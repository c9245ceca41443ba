import Domain

#if canImport(Glibc)
    import Glibc
#endif

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

    /// The time of the system's clock.
    static var now: MillisecondTime {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return MillisecondTime(milliseconds: Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000)
    }

    /// `rfc3339` as ASCII, without an allocation, for times in the years 0 to 9999.
    package var rfc3339Bytes: InlineArray<24, UInt8> {
        let second = milliseconds.quotientAndRemainder(dividingBy: 1000)
        let seconds = second.remainder < 0 ? second.quotient - 1 : second.quotient
        let day = CalendarDate(of: Timestamp(secondsSinceEpoch: seconds))
        let secondOfDay = Int(seconds % 86_400 + 86_400) % 86_400
        var bytes = InlineArray<24, UInt8>(repeating: UInt8(ascii: ":"))
        /// Writes two digits.
        func write(_ number: Int, at offset: Int) {
            bytes[offset] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number / 10)
            bytes[offset + 1] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number % 10)
        }
        let year = day.year
        write(year / 100, at: 0)
        write(year % 100, at: 2)
        bytes[4] = UInt8(ascii: "-")
        write(day.month, at: 5)
        bytes[7] = UInt8(ascii: "-")
        write(day.day, at: 8)
        bytes[10] = UInt8(ascii: "T")
        write(secondOfDay / 3600, at: 11)
        write(secondOfDay / 60 % 60, at: 14)
        write(secondOfDay % 60, at: 17)
        bytes[19] = UInt8(ascii: ".")
        let fraction = Int(milliseconds - seconds * 1000)
        bytes[20] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: fraction / 100)
        write(fraction % 100, at: 21)
        bytes[23] = UInt8(ascii: "Z")
        return bytes
    }

    package var rfc3339: String {
        let (seconds, fraction) = milliseconds.quotientAndRemainder(dividingBy: 1000)
        let digits = String(fraction)
        return Timestamp(secondsSinceEpoch: seconds).rfc3339.dropLast() + "."
            + String(repeating: "0", count: 3 - digits.count) + digits + "Z"
    }
}
