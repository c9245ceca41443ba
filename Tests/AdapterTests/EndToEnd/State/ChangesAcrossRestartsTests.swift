import Adapters
import Foundation
import Testing

/// Streams of changes while accounts come and go at Zoom, and while the service restarts.
@Suite("Changes across restarts", .timeLimit(.minutes(10)))
struct ChangesAcrossRestartsTests {
    private static let accounts = 40

    private static func moment(_ lines: [JSONObject]) throws -> String {
        #expect(lines.last?["type"] == .string("end"), "\(lines)")
        return try #require(lines.last?["as_of"]?.string)
    }

    /// A moment after that of a stream. A stream of changes since the moment itself may repeat lines of the same millisecond.
    private static func moment(
        after lines: [JSONObject], _ service: SeparateSandbox.Service
    ) async throws -> String {
        let end = try moment(lines)
        while true {
            let begin = try #require(try await service.stream().first?["as_of"]?.string)
            // Of the same length, so that they sort as times.
            if begin > end { return begin }
        }
    }

    /// The type and the account of each line with an account.
    private static func changes(_ lines: [JSONObject]) -> [String] {
        lines.compactMap { line in
            line["account_id"]?.string.map { "\(line["type"]?.string ?? "") \($0)" }
        }
    }

    /// The two lines in the order of their accounts.
    private static func ascending(_ lines: String...) -> [String] {
        lines.sorted { ($0.split(separator: " ").last ?? "") < ($1.split(separator: " ").last ?? "") }
    }

    @Test("an account that was disassociated is gone, one that was created is new, also after a restart")
    func gone() async throws {
        try await SeparateSandbox.with(accounts: Self.accounts) { zoom in
            let free = try await zoom.account(kind: "free")
            var (created, first, second) = ("", "", "")
            try await zoom.withService { service in
                let whole = try await service.stream()
                first = try await Self.moment(after: whole, service)
                #expect(whole.count == Self.accounts + 2)
                try await zoom.disassociate(free)
                created = try await zoom.create("new@example.com")
                let changes = try await service.stream("?changed_since=\(first)&max_age=0")
                #expect(Self.changes(changes) == Self.ascending("gone \(free)", "contact \(created)"))
                let end = try #require(changes.last)
                #expect(end["gone"] == .number("1") && end["contacts"] == .number("1"))
                #expect(end["unchanged"] == .number("\(Self.accounts - 1)"))
                second = try await Self.moment(after: changes, service)
                let nothing = try await service.stream("?changed_since=\(second)")
                #expect(Self.changes(nothing).isEmpty && nothing.last?["gone"] == .number("0"))
            }
            try await zoom.disassociate(created)
            let other = try await zoom.create("other@example.com")
            try await zoom.withService { service in
                let sinceSecond = try await service.stream("?changed_since=\(second)&max_age=0")
                #expect(Self.changes(sinceSecond) == Self.ascending("gone \(created)", "contact \(other)"))
                #expect(sinceSecond.last?["unchanged"] == .number("\(Self.accounts - 1)"))
                let sinceFirst = try await service.stream("?changed_since=\(first)")
                #expect(
                    Self.changes(sinceFirst)
                        == Self.ascending("gone \(created)", "contact \(other)", "gone \(free)"))
                _ = try Self.moment(sinceFirst)
            }
        }
    }

    /// The service stores within ten minutes, so that the file has neither the list nor the answers that the reader had.
    @Test("after SIGKILL, the moments of readers whose lists and answers were not stored are refused with 410")
    func killed() async throws {
        try await SeparateSandbox.with(accounts: Self.accounts) { zoom in
            let paid = try await zoom.account(kind: "plans-base")
            try await zoom.withService { service in
                _ = try await service.stream()
                try await zoom.set(city: "Stored", of: paid)
                _ = try await service.stream("?max_age=0")
            }
            let created = try await zoom.create("new@example.com")
            var moment = ""
            try await zoom.withService(["--state-write-interval", "600s"], end: SIGKILL) { service in
                // Restores the stored answers before the next list.
                _ = try await service.process.errors(containing: "stored answers were restored")
                try await zoom.set(city: "Lost", of: paid)
                let lines = try await service.stream("?max_age=0")
                #expect(Self.changes(lines).contains("contact \(created)"))
                moment = try Self.moment(lines)
            }
            // A reader has the created account and the second city. Neither is in the file or at Zoom.
            try await zoom.disassociate(created)
            try await zoom.set(city: "Stored", of: paid)
            try await zoom.withService { service in
                let refused = try await service.stream("?changed_since=\(moment)&max_age=0")
                #expect(refused.map { $0["code"] } == [.number("410")])
                let whole = try await service.stream()
                #expect(whole.count == Self.accounts + 2)
                let later = try await Self.moment(after: whole, service)
                let nothing = try await service.stream("?changed_since=\(later)")
                #expect(nothing.last?["unchanged"] == .number("\(Self.accounts)"))
            }
        }
    }
}
