import Domain

/// A day of the Gregorian calendar, written `yyyy-mm-dd`.
struct SandboxDate: Sendable, Hashable, Comparable {
    let year: Int
    let month: Int
    let day: Int

    /// - Parameter day: From 1. A day after the end of the month becomes the last day of the month.
    init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = min(day, Self.days(ofMonth: month, year: year))
    }

    /// Parses `yyyy-mm-dd`; `nil` for other forms and for days that do not exist.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        func number(_ range: Range<Int>) -> Int? {
            range.reduce(0) { number, index in
                guard let number, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index]) else { return nil }
                return number * 10 + Int(bytes[index] - UInt8(ascii: "0"))
            }
        }
        guard bytes.count == 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), (1...12).contains(month),
            (1...Self.days(ofMonth: month, year: year)).contains(day)
        else { return nil }
        self.init(year: year, month: month, day: day)
    }

    /// The day in UTC.
    init(_ timestamp: Timestamp) {
        let (day, second) = timestamp.secondsSinceEpoch.quotientAndRemainder(dividingBy: 86_400)
        self.init(daysSinceEpoch: Int(second < 0 ? day - 1 : day))
    }

    /// - Parameter days: Days since 1970-01-01.
    init(daysSinceEpoch days: Int) {
        // The inverse of `daysSinceEpoch`: years begin in March, so that the leap day is the last day of a year.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        self.init(
            year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month: month,
            day: dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }

    /// Days since 1970-01-01.
    var daysSinceEpoch: Int {
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func days(ofMonth month: Int, year: Int) -> Int {
        switch month {
        case 2: year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400)) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    func adding(days: Int) -> SandboxDate { SandboxDate(daysSinceEpoch: daysSinceEpoch + days) }

    /// The same day of another year; February 28 for February 29.
    func adding(years: Int) -> SandboxDate { SandboxDate(year: year + years, month: month, day: day) }

    static func < (left: SandboxDate, right: SandboxDate) -> Bool {
        (left.year, left.month, left.day) < (right.year, right.month, right.day)
    }

    /// `yyyy-mm-dd`.
    var text: String {
        "\(SandboxAccounts.padded(year, to: 4))-\(SandboxAccounts.padded(month, to: 2))-\(SandboxAccounts.padded(day, to: 2))"
    }
}
