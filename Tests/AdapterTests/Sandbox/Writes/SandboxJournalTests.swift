import Adapters
import Domain
import DomainFakes
import NIOCore
import Testing

@Suite("Sandbox journal of writes", .timeLimit(.minutes(10)))
struct SandboxJournalTests {
    @Test("the journal has each write with its body, effect, status and time")
    func entries() async throws {
        try await SandboxCaller.with { caller in
            let (paid, free) = (caller.account(45), try await caller.account(kind: "free"))
            _ = try await caller.write("PATCH", paid, "/billing", "{\"city\": \"Zürich\"}")
            _ = try await caller.write("PUT", free, "/plans/base", #"{"type":"monthly","hosts":1}"#)
            _ = try await caller.write("PATCH", "nobody", "/plans/base/status", "not JSON")
            let all = try await caller.journal()
            #expect(all.map { $0["sequence"] } == [.number("1"), .number("2"), .number("3")])
            #expect(
                all.map { $0["operation"]?.string } == ["update-billing", "update-base", "cancel-base"])
            #expect(all.map { $0["account_id"]?.string } == [paid, free, "nobody"])
            #expect(all.map { $0["effect"]?.string } == ["applied", "refused", "refused"])
            #expect(all.map { $0["status"] } == [.number("204"), .number("400"), .number("404")])
            #expect(
                all.map { $0["body"]?.string } == [
                    "{\"city\": \"Zürich\"}", #"{"type":"monthly","hosts":1}"#, "not JSON",
                ])
            #expect(all.allSatisfy { $0["time"] == .string("2026-01-31T12:00:00Z") && $0["fault"] == nil })

            #expect(try await caller.journal("?account_id=\(free)") == [all[1]])
            #expect(try await caller.journal("?account_id=other").isEmpty)
            #expect(caller.sandbox.writes(of: paid).map(\.body) == [Array("{\"city\": \"Zürich\"}".utf8)])
            for query in ["?account=\(free)", "?account_id=a&account_id=b"] {
                #expect(try await caller.exchange("GET", "/sandbox/writes\(query)").status == 400)
            }
        }
    }

    @Test("reads and the token endpoint are not in the journal")
    func reads() async throws {
        try await SandboxCaller.with { caller in
            _ = try await caller.plans(caller.account(0))
            _ = try await caller.billing(caller.account(0))
            #expect(try await caller.journal().isEmpty)
        }
    }

    @Test("a cleared journal is empty, the accounts stay changed, and sequence numbers continue")
    func cleared() async throws {
        try await SandboxCaller.with { caller in
            let account = caller.account(0)
            _ = try await caller.write("PATCH", account, "/billing", #"{"city":"First"}"#)
            #expect(try await caller.exchange("DELETE", "/sandbox/writes").status == 204)
            #expect(try await caller.journal().isEmpty)
            #expect(try await caller.billing(account)["city"] == .string("First"))
            _ = try await caller.write("PATCH", account, "/billing", #"{"city":"Second"}"#)
            #expect(try await caller.journal().map { $0["sequence"] } == [.number("2")])
        }
    }

    @Test("a journal of many writes is complete and in order")
    func many() async throws {
        try await SandboxCaller.with { caller in
            let authorization = try await caller.authorization()
            let note = String(repeating: "x", count: 500)
            for number in 0..<600 {
                _ = try await caller.write(
                    "PATCH", caller.account(number % 2), "/billing", #"{"city":"City \#(number)","note":"\#(note)"}"#,
                    authorization: authorization)
            }
            let all = try await caller.journal()
            #expect(all.map { $0["sequence"]?.integer } == (1...600).map { $0 })
            let odd = try await caller.journal("?account_id=\(caller.account(1))")
            #expect(odd.map { $0["sequence"]?.integer } == stride(from: 2, through: 600, by: 2).map { $0 })
        }
    }

    @Test("the mode of an account must be known, and the account must exist")
    func modes() async throws {
        try await SandboxCaller.with { caller in
            for body in [
                "{}", #"{"account_id":"nobody","mode":"vip"}"#, #"{"account_id":"\#(caller.account(0))","mode":"x"}"#,
            ] {
                #expect(try await caller.exchange("POST", "/sandbox/account", body: body).status == 400)
            }
            let before = try await caller.plans(caller.account(0))
            try await caller.set(.vip, of: caller.account(0))
            #expect(try await caller.plans(caller.account(0)) == before)
        }
    }
}
