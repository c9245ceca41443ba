import Domain
import Testing

@Suite("Calendar dates")
struct CalendarDateTests {
    /// Every day from 1 January 1600 on, counted one by one.
    private struct Model {
        var year = 1600
        var month = 1
        var day = 1

        var daysOfMonth: Int {
            if month == 2 { return isLeapYear ? 29 : 28 }
            return [1, 3, 5, 7, 8, 10, 12].contains(month) ? 31 : 30
        }

        var isLeapYear: Bool {
            if year % 400 == 0 { return true }
            return year % 4 == 0 && year % 100 != 0
        }

        mutating func advance() {
            day += 1
            guard day > daysOfMonth else { return }
            (day, month) = (1, month + 1)
            guard month > 12 else { return }
            (month, year) = (1, year + 1)
        }

        var text: String {
            func padded(_ number: Int, _ width: Int) -> String {
                String(repeating: "0", count: width - "\(number)".count) + "\(number)"
            }
            return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
        }
    }

    @Test("Calendar dates: every day of 800 years agrees with a model that counts days")
    func model() throws {
        var model = Model()
        var previous: CalendarDate?
        // 1 January 1600 is 135,140 days before 1 January 1970.
        var dayNumber: Int64 = -135_140
        while model.year < 2400 {
            let date = try #require(CalendarDate(year: model.year, month: model.month, day: model.day))
            guard CalendarDate(model.text) == date, date.description == model.text,
                date.previous == previous ?? date.previous,
                previous.map({ $0 < date && !(date < $0) }) ?? true,
                CalendarDate(of: Timestamp(secondsSinceEpoch: dayNumber * 86_400)) == date,
                CalendarDate(of: Timestamp(secondsSinceEpoch: dayNumber * 86_400 + 86_399)) == date,
                CalendarDate(year: model.year, month: model.month, day: model.daysOfMonth + 1) == nil
            else {
                Issue.record("\(model.text) is wrong")
                return
            }
            previous = date
            dayNumber += 1
            model.advance()
        }
        #expect(CalendarDate(of: Timestamp(secondsSinceEpoch: 0)).description == "1970-01-01")
    }

    @Test(
        "Calendar dates: a text that is no day yyyy-mm-dd is refused",
        arguments: [
            "", "2026", "2026-1-01", "2026-01-1", "26-01-01", "2026-02-29", "2025-02-29", "1900-02-29", "2026-04-31",
            "2026-00-10", "2026-13-10", "2026-01-00", "2026-01-32", "2026/01/01", "2026-01-01T00:00:00Z", " 2026-01-01",
            "2026-01-01 ", "+026-01-01", "-026-01-01", "2026-0١-01", "20260101", "2026-01-0１",
        ])
    func refused(text: String) {
        #expect(CalendarDate(text) == nil)
    }

    @Test("Calendar dates: the first and the last day that can be written are days, and none is before the first")
    func bounds() throws {
        #expect(try #require(CalendarDate("0000-01-01")).previous == nil)
        #expect(CalendarDate("9999-12-31")?.adding(years: 1) == nil)
        #expect(CalendarDate("9999-12-31")?.description == "9999-12-31")
        #expect(CalendarDate("2000-02-29") != nil && CalendarDate("0000-02-29") != nil)
    }

    @Test(
        "Calendar dates: the same day in another year, and 28 February in a year without the 29th",
        arguments: [
            ("2026-03-31", 1, "2027-03-31"), ("2024-02-29", 1, "2025-02-28"), ("2024-02-29", 4, "2028-02-29"),
            ("2024-02-29", -3, "2021-02-28"), ("2025-02-28", -1, "2024-02-28"),
        ])
    func years(date: String, years: Int, expected: String) {
        #expect(CalendarDate(date)?.adding(years: years)?.description == expected)
    }
}
