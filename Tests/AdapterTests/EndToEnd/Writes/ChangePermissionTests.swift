import Adapters
import Domain
import Testing

/// Every change with every kind of missing permission, on a running service with real files.
@Suite("Least privilege of changes", .timeLimit(.minutes(10)))
struct ChangePermissionTests {
    struct Change: CustomTestStringConvertible, Sendable {
        /// The method and the path, as in `openapi.yaml`.
        let name: String

        /// Each of these scopes permits it.
        let scopes: Set<Caller.Scope>
        let body: String?

        var testDescription: String { name }
        var method: String { String(name.prefix { $0 != " " }) }
        var path: String { String(name.drop { $0 != " " }.dropFirst()) }
        var isOfAccount: Bool { path.contains("{accountId}") }
    }

    private static let account = "/v2/accounts/{accountId}"
    private static let key = "/v2/billing/idempotency-keys/{key}"

    static let operations = [
        Change(name: "PATCH \(account)/billing", scopes: [.billingWrite], body: #"{"city":"Oakland"}"#),
        Change(
            name: "POST \(account)/plans", scopes: [.plansWrite],
            body: #"{"contact":\#(ChangeExample.contact),"plan_base":{"type":"monthly","hosts":5}}"#),
        Change(
            name: "POST \(account)/plans/addons", scopes: [.plansWrite],
            body: #"{"type":"webinar500_monthly","hosts":2}"#),
        Change(
            name: "PUT \(account)/plans/addons", scopes: [.plansWrite],
            body: #"{"type":"webinar500_monthly","hosts":2}"#),
        Change(
            name: "PATCH \(account)/plans/addons/status", scopes: [.plansWrite],
            body: #"{"type":"webinar500_monthly"}"#),
        Change(name: "PUT \(account)/plans/base", scopes: [.plansWrite], body: #"{"type":"monthly","hosts":5}"#),
        Change(name: "PATCH \(account)/plans/base/status", scopes: [.plansWrite], body: #"{"action":"cancel"}"#),
        Change(name: "GET \(key)", scopes: [.billingWrite, .plansWrite], body: nil),
        Change(name: "DELETE \(key)", scopes: [.billingWrite, .plansWrite], body: nil),
    ]

    @Test("a change refuses callers without permission before anything is sent to Zoom", arguments: operations)
    func table(change: Change) async throws {
        try await FiledService.with { service in
            let authorizations = try await LeastPrivilegeTests.authorizations(service, needed: change.scopes)
            let account = service.main.accounts.id(of: 0)
            // The callers file is loaded when the last caller is known.
            let last = authorizations[.wrongMaster]
            let read = service.account(of: service.main)
            while try await service.send(read, authorization: last).status == 401 { try Task.checkCancellation() }
            let target = change.path.replacing("{accountId}", with: account).replacing("{key}", with: "unused")
            let before = service.main.requestCounts
            for permission in LeastPrivilegeTests.Permission.allCases where permission != .authorized {
                let response = try await service.send(
                    target, authorization: authorizations[permission], method: change.method, body: change.body,
                    [(.contentType, "application/json"), (.idempotencyKey, "key-1")])
                let (status, code): (Int, Int) =
                    switch permission {
                    case .noToken, .otherScheme, .neverIssued, .otherFormat, .damaged, .expired, .revoked: (401, 124)
                    case .wrongScope: (403, 4711)
                    // Other accounts appear not found, and the keys of other callers as well.
                    case .wrongAccount, .wrongMaster, .authorized: (404, change.isOfAccount ? 2001 : 404)
                    }
                #expect(response.status == status && response.json?["code"]?.integer == code, "\(permission)")
            }
            // Only the account of the other master account is looked up, there.
            #expect(service.main.requestCounts == before)
            let right = try await service.send(
                target, authorization: authorizations[.authorized], method: change.method, body: change.body,
                [(.contentType, "application/json"), (.idempotencyKey, "key-1")])
            #expect(change.isOfAccount ? ![401, 403, 404].contains(right.status) : right.status == 404)
        }
    }
}
