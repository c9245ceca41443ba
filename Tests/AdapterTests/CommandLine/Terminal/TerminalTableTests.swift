import Adapters
import BillingService
import Foundation
import Testing

@Suite("Tables on a terminal", .timeLimit(.minutes(10)))
struct TerminalTableTests {
    @Test(
        "the display width counts the columns of a terminal",
        arguments: [
            ("", 0), ("abc", 3), ("Köln", 4), ("Ko\u{308}ln", 4), ("東京", 4), ("ｱﾊﾟ", 3), ("한글", 4),
            ("\u{1112}\u{1161}\u{11AB}", 2), ("Ａ", 2), ("é\u{301}", 1), ("👍", 2), ("👍🏽", 2), ("👩‍👩‍👧", 2), ("🇨🇭", 2),
            ("❤", 1), ("❤\u{FE0F}", 2), ("1\u{FE0F}\u{20E3}", 2), ("कि", 2), ("\u{200B}", 0), ("𠀋", 2), ("\u{2E80}", 2),
        ])
    func width(text: String, columns: Int) {
        #expect(DisplayWidth.columns(of: text) == columns)
    }

    @Test(
        "truncation keeps whole characters and ends with an ellipsis",
        arguments: [
            ("abc", 3, "abc"), ("abcd", 3, "ab…"), ("東京都", 5, "東京…"), ("東京都", 4, "東…"), ("👍🏽👍🏽", 3, "👍🏽…"),
            ("abc", 1, "…"), ("abc", 0, ""), ("", 0, ""),
        ])
    func truncation(text: String, columns: Int, expected: String) {
        #expect(DisplayWidth.truncated(text, columnsMax: columns) == expected)
    }

    private static let accounts = """
        {"accounts":[\
        {"id":"Qx7Zk2mPTfGh0aB1cD2eFg","account_name":"東京\\u0000 Works 👍🏽","owner_email":"sales@example.com",\
        "account_type":"Business","seats":40,"created_at":"2024-02-01T09:00:00Z"},\
        {"id":"b","account_name":"A very long name of a company","owner_email":"b@example.com","seats":123456}]}
        """

    @Test("a table fits the terminal, and is complete in a pipe", arguments: [200, 80, 12, 3])
    func fitting(columns: Int) async throws {
        try await withServer(FakeBilling(["/v2/accounts?page_size=300": .json(Self.accounts)])) { server in
            let arguments = ["accounts", "--url", "http://127.0.0.1:\(server.port)"]
            let outcome = await TestTerminal.run(
                TestProcess.billingService, arguments, columns: columns, environment: ["BILLING_TOKEN": "token"])
            #expect(outcome.status == 0, "\(outcome)")
            let lines = outcome.output.components(separatedBy: "\r\n").dropLast()
            #expect(lines.count == 3)
            for line in lines { #expect(DisplayWidth.columns(of: line) < columns, "\(line)") }
            // Either the whole number or nothing of it.
            #expect(outcome.output.contains("123456") || !outcome.output.contains("1234"), "\(outcome.output)")
            #expect(columns >= 200 || outcome.output.contains("…"))
            #expect(columns < 200 || !outcome.output.contains("…"))
            let piped = await TestProcess.run(
                TestProcess.billingService, arguments, environment: ["BILLING_TOKEN": "token", "COLUMNS": "20"])
            #expect(piped.output.contains("東京\\u{0} Works 👍🏽") && piped.output.contains("2024-02-01T09:00:00Z"))
            #expect(!piped.output.contains("…"))
        }
    }

    @Test("columns are aligned by display width")
    func alignment() async throws {
        let outcome = try await FakeBilling.run(
            ["accounts"], answers: ["/v2/accounts?page_size=300": .json(Self.accounts)])
        let positions = outcome.lines.compactMap { line in
            ["OWNER", "sales@", "b@"].compactMap { line.firstRange(of: $0) }.first.map {
                DisplayWidth.columns(of: String(line[..<$0.lowerBound]))
            }
        }
        #expect(positions.count == 3 && Set(positions).count == 1, "\(outcome.output)")
    }
}
