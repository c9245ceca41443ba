import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import Testing

/// The texts with which the sandbox refuses writes.
@Suite("Sandbox errors of writes", .timeLimit(.minutes(10)))
struct SandboxWriteErrorTests {
    typealias Write = SandboxRefusedWrites.Write
    typealias Case = SandboxRefusedWrites.Case

    @Test(
        "each refused write has Zoom's status, code and text, and changes nothing",
        arguments: SandboxRefusedWrites.cases)
    func refusal(of testCase: Case) async throws {
        try await SandboxCaller.with { caller in
            let account = try await account(testCase.account, caller)
            if testCase.mode != .regular { try await caller.set(testCase.mode, of: account) }
            for (write, body) in testCase.before {
                let answer = try await caller.write(write.method, account, write.path, body)
                try #require((200..<300).contains(answer.status), "\(String(buffer: answer.body))")
            }
            let plans = try await caller.plans(account)
            let answer = try await caller.write(
                testCase.write.method, account, testCase.write.path, testCase.body ?? testCase.write.body)
            let json = try #require(answer.json, "\(answer.status)")
            #expect(answer.status == testCase.status)
            #expect(json["code"] == .number("\(testCase.code)"))
            #expect(json["message"] == .string(testCase.message.replacing("{id}", with: account)))
            #expect(try await caller.plans(account) == plans)
            let entry = try #require(try await caller.journal().last)
            #expect(entry["effect"] == .string("refused") && entry["status"] == .number("\(testCase.status)"))
        }
    }

    /// An account by its kind, its number, or an id that does not exist.
    private func account(_ name: String, _ caller: SandboxCaller) async throws -> String {
        if name == "nobody" { return name }
        // The plans of the regular account of this kind are active.
        if name == "plans-phone-active" { return caller.account(40) }
        if name == "plans-base" { return caller.account(45) }
        if let number = Int(name) { return caller.account(number) }
        return try await caller.account(kind: name)
    }

    @Test("several invalid fields of the contact are named at once")
    func fields() async throws {
        try await SandboxCaller.with { caller in
            let answer = try await caller.write(
                "PATCH", caller.account(0), "/billing", #"{"email":"a","city":1,"zip":"1"}"#)
            let errors = try #require(answer.json?["errors"]?.array).compactMap(\.object)
            #expect(errors.map { $0["field"]?.string } == ["city", "email"])
            #expect(errors.allSatisfy { $0["message"] == .string("Invalid field.") })
        }
    }

    @Test("a write without application/json is refused")
    func contentType() async throws {
        try await SandboxCaller.with { caller in
            for contentType in [nil, "text/plain", "application/json; charset=utf-8"] {
                let answer = try await caller.exchange(
                    "PATCH", "/v2/accounts/\(caller.account(0))/billing", authorization: caller.authorization(),
                    body: #"{"city":"Berkeley"}"#, contentType: contentType)
                #expect(answer.status == (contentType?.hasPrefix("application") == true ? 204 : 400))
            }
        }
    }

    /// The scopes that the reference lists for each write.
    private static let scopesOfWrites: [(Write, String)] = [
        (.updateBilling, "billing:master, billing_plan:master, billing:update:billing_information:master"),
        (.subscribePlans, "billing:master, billing:write:subscribe_plan:master"),
        (.subscribeAddon, "billing:master, billing:write:subscribe_additional_plans:master"),
        (.updateAddon, "billing:master, billing:update:additional_plans:master"),
        (.cancelAddon, "billing:master, billing:update:cancel_additional_plans:master"),
        (.updateBase, "billing:master, billing:update:plan:master"),
        (.cancelBase, "billing:master, billing:update:cancel_plan:master"),
    ]

    @Test("a write needs one of its scopes, and a refused token is in the journal", arguments: scopesOfWrites)
    func scopes(of write: Write, are scopes: String) async throws {
        var app = TestZoom.app
        app.scopes = ["billing:read:plan_information:master"]
        try await SandboxCaller.with(SandboxConfiguration(apps: [app], accounts: 200)) { caller in
            let answer = try await caller.write(write.method, caller.account(0), write.path, write.body)
            #expect(answer.status == 400 && answer.json?["code"] == .number("4711"))
            #expect(
                answer.json?["message"]
                    == .string("Invalid access token, does not contain scopes:[\(scopes)]."))
            #expect(try await caller.journal().map { $0["effect"] } == [.string("refused")])
        }
    }

    @Test("writes are heavy, and over the rate limit they take no effect")
    func rateLimit() async throws {
        let configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 200, limits: .free)
        try await SandboxCaller.with(configuration) { caller in
            let account = caller.account(0)
            let first = try await caller.write("PATCH", account, "/billing", #"{"city":"First"}"#)
            #expect(first.status == 204 && first.fields.string(FieldName("x-ratelimit-category")) == "Heavy")
            let second = try await caller.write("PATCH", account, "/billing", #"{"city":"Second"}"#)
            #expect(second.status == 429)
            #expect(try await caller.billing(account)["city"] == .string("First"))
        }
    }

    @Test("docs/sandbox.md has a row for each error of a write")
    func page() throws {
        let text = try String(contentsOf: TestProcess.root.appending(path: "docs/sandbox.md"), encoding: .utf8)
        let rows = text.split(separator: "\n").compactMap {
            $0.firstMatch(of: /^\| [0-9]+ \| ([0-9]+) \| `([^`]+)` \|/)?.output
        }
        for testCase in SandboxRefusedWrites.cases {
            #expect(
                rows.contains { String(testCase.code) == $0.1 && Self.hasForm(of: $0.2, testCase.message) },
                "\(testCase.code) \(testCase.message)")
        }
    }

    /// Whether a message is a documented text with values instead of its placeholders in braces.
    private static func hasForm(of documented: Substring, _ message: String) -> Bool {
        let parts = documented.split(separator: /\{\w+\}/, omittingEmptySubsequences: false)
        var rest = message[...]
        for (index, part) in parts.enumerated() {
            if index == 0 {
                guard rest.hasPrefix(part) else { return false }
                rest = rest.dropFirst(part.count)
            } else if index == parts.count - 1 {
                return rest.hasSuffix(part)
            } else {
                guard let range = rest.firstRange(of: part) else { return false }
                rest = rest[range.upperBound...]
            }
        }
        return rest.isEmpty
    }
}
