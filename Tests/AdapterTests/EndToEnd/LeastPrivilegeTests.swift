import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import Testing

/// Every operation with every kind of missing permission, on a running service with real files.
@Suite("Least privilege", .timeLimit(.minutes(10)))
struct LeastPrivilegeTests {
    enum Operation: String, CaseIterable {
        case listAccounts = "GET /v2/accounts"
        case getAccount = "GET /v2/accounts/{accountId}"
        case getBilling = "GET /v2/accounts/{accountId}/billing"
        case listInvoices = "GET /v2/accounts/{accountId}/billing/invoices"
        case getInvoice = "GET /v2/accounts/{accountId}/billing/invoices/{invoiceId}"
        case getPlans = "GET /v2/accounts/{accountId}/plans"
        case getPlanUsage = "GET /v2/accounts/{accountId}/plans/usage"
        case downloadInvoice = "GET /v2/billing/invoices/{invoiceId}/download"
        case downloadInvoiceAtOlderPath = "GET /v2/api/download/billing/invoices/{invoiceId}"
        case streamBilling = "GET /v2/billing/stream"
        case streamChosenBilling = "POST /v2/billing/stream"

        var method: String { String(rawValue.prefix { $0 != " " }) }
        var path: String { String(rawValue.drop { $0 != " " }.dropFirst()) }

        var scope: Caller.Scope {
            switch self {
            case .listAccounts, .getAccount, .getBilling: .billingRead
            case .listInvoices, .getInvoice, .downloadInvoice, .downloadInvoiceAtOlderPath: .invoicesRead
            case .getPlans, .getPlanUsage: .plansRead
            case .streamBilling, .streamChosenBilling: .billingExport
            }
        }

        /// Whether the operation is about one account.
        var isOfAccount: Bool {
            switch self {
            case .getAccount, .getBilling, .listInvoices, .getInvoice, .getPlans, .getPlanUsage: true
            case .listAccounts, .downloadInvoice, .downloadInvoiceAtOlderPath, .streamBilling, .streamChosenBilling:
                false
            }
        }

        var isFile: Bool {
            switch self {
            case .downloadInvoice, .downloadInvoiceAtOlderPath: true
            case .listAccounts, .getAccount, .getBilling, .listInvoices, .getInvoice, .getPlans, .getPlanUsage,
                .streamBilling, .streamChosenBilling:
                false
            }
        }
    }

    enum Permission: CaseIterable {
        case noToken
        case otherScheme
        case neverIssued
        case otherFormat
        case damaged
        case expired
        case revoked
        case wrongScope
        case wrongAccount
        case wrongMaster
        case authorized
    }

    private static let scopes = Caller.Scope.allCases.map(\.rawValue)

    /// The Authorization field of each kind of caller.
    ///
    /// - Parameter needed: Each of these scopes permits the operation.
    static func authorizations(
        _ service: FiledService, needed: Set<Caller.Scope>
    ) async throws -> [Permission: String] {
        let all = scopes.joined(separator: ",")
        let others = scopes.filter { !needed.map(\.rawValue).contains($0) }.joined(separator: ",")
        let expired = CallerToken.make()
        let callers = CallersFile(PrivateFile(path: service.callersPath))
        try callers.update { document throws(FileProblem) in
            let caller = Caller(
                name: Name(literal: "expired"), scopes: Set(Caller.Scope.allCases), master: Name(literal: "main"))
            let entry = CallersDocument.Entry(
                caller, credential: .token(SHA256Digest(of: expired), previous: nil),
                expires: Timestamp(secondsSinceEpoch: SystemTime().timestamp.secondsSinceEpoch - 1))
            do throws(DocumentProblem) { try document.set(entry) } catch { preconditionFailure("\(error)") }
        }
        let revoked = try await service.token(of: "revoked", "--scopes", all, "--master", "main")
        let right = try await service.token(of: "right", "--scopes", all, "--master", "main")
        try await service.wait(for: 200, service.account(of: service.main), token: revoked)
        try await service.callers("revoke", "--name", "revoked")
        try await service.wait(for: 401, service.account(of: service.main), token: revoked)
        let own = service.main.accounts.id(of: 1)
        return [
            .otherScheme: "Basic dXNlcjpwYXNzd29yZA==",
            .neverIssued: "Bearer " + CallerToken.make(),
            .otherFormat: "Bearer eyJhbGciOiJub25lIn0.e30.", .damaged: "Bearer " + right.dropLast(),
            .expired: "Bearer " + expired, .revoked: "Bearer " + revoked,
            .wrongScope: "Bearer "
                + (try await service.token(of: "scope", "--scopes", others, "--master", "main")),
            .wrongAccount: "Bearer "
                + (try await service.token(of: "account", "--scopes", all, "--master", "main", "--accounts", own)),
            .wrongMaster: "Bearer "
                + (try await service.token(of: "master", "--scopes", all, "--master", "second")),
            .authorized: "Bearer " + right,
        ]
    }

    @Test(
        "an operation refuses callers without permission and serves only the caller's accounts",
        arguments: Operation.allCases)
    func table(operation: Operation) async throws {
        // Lists of invoices need the cache: Zoom permits one in five minutes for an account.
        try await FiledService.with(cacheTTL: operation.scope == .invoicesRead ? "1h" : "0s") { service in
            let authorizations = try await Self.authorizations(service, needed: [operation.scope])
            let account = service.main.accounts.id(of: 0)
            // Selects two accounts of the master, the second allowed to `wrongAccount`, and one that does not exist.
            let body =
                operation == .streamChosenBilling
                ? [account, service.main.accounts.id(of: 1), "nobody"].map { "{\"account_id\":\"\($0)\"}\n" }.joined()
                : nil
            let right = try #require(authorizations[.authorized])
            let target = try await Self.target(of: operation, account, service, right)
            // The callers file is loaded when the last caller works.
            func send(_ authorization: String?) async throws -> ClientResponse {
                try await service.send(target, authorization: authorization, method: operation.method, body: body)
            }
            while try await send(right).status != 200 { try Task.checkCancellation() }
            for permission in Permission.allCases {
                let authorization = authorizations[permission]
                #expect((authorization == nil) == (permission == .noToken))
                let response = try await send(authorization)
                try Self.check(response, operation, permission, service)
                guard body == nil else { continue }
                let head = try await service.send(target, authorization: authorization, method: "HEAD")
                // HEAD of a file is answered without a call to Zoom.
                let needsZoom = operation.isFile && [.wrongMaster, .authorized].contains(permission)
                #expect(head.status == (needsZoom ? 200 : response.status) && head.body.readableBytes == 0)
            }
        }
    }

    /// The period of the last year.
    private static var period: String {
        let today = CalendarDate(of: SystemTime().timestamp)
        return "from=\(today.adding(years: -1)?.description ?? "")&to=\(today)"
    }

    private static func target(
        of operation: Operation, _ account: String, _ service: FiledService, _ authorization: String
    ) async throws -> String {
        let path = operation.path.replacing("{accountId}", with: account)
        switch operation {
        case .listAccounts, .getAccount, .getBilling, .getPlans, .getPlanUsage, .streamBilling, .streamChosenBilling:
            return path
        case .listInvoices: return "\(path)?\(period)"
        case .getInvoice, .downloadInvoice, .downloadInvoiceAtOlderPath:
            return path.replacing("{invoiceId}", with: try await invoice(of: account, service, authorization))
        }
    }

    /// An invoice of an account.
    private static func invoice(
        of account: String, _ service: FiledService, _ authorization: String
    ) async throws -> String {
        let target = "/v2/accounts/\(account)/billing/invoices?\(period)"
        while true {
            let response = try await service.send(target, authorization: authorization)
            // The callers file may not be loaded yet.
            if response.status == 401 {
                try Task.checkCancellation()
            } else {
                let invoices = try #require(response.json?["invoices"]?.array, "\(response.status)")
                return try #require(invoices.first?.object?["id"]?.string)
            }
        }
    }

    private static func check(
        _ response: ClientResponse, _ operation: Operation, _ permission: Permission, _ service: FiledService
    ) throws {
        let (status, code): (Int, Int?) =
            switch (permission, operation) {
            case (.noToken, _), (.otherScheme, _), (.neverIssued, _), (.otherFormat, _), (.damaged, _), (.expired, _),
                (.revoked, _):
                (401, 124)
            case (.wrongScope, _): (403, 4711)
            case (.wrongAccount, let operation) where operation.isOfAccount: (404, 2001)
            case (.wrongMaster, let operation) where operation.isOfAccount: (404, 2001)
            case (.wrongAccount, let operation) where operation.isFile: (404, 404)
            case (.wrongMaster, let operation) where operation.isFile: (404, 404)
            // The file was downloaded a moment ago. Zoom permits one download in 30 minutes.
            case (.authorized, let operation) where operation.isFile: (429, 429)
            case (.wrongAccount, _), (.wrongMaster, _), (.authorized, _): (200, nil)
            }
        #expect(response.status == status, "\(operation) \(permission)")
        let lines = response.lines
        if let code {
            #expect(lines.count == 1 && lines[0]["code"]?.integer == code, "\(operation) \(permission)")
            return
        }
        let ids = lines.compactMap { $0["account_id"]?.string }
        switch (operation, permission) {
        case (.getBilling, _): #expect(lines.count == 1 && lines[0]["email"] != nil)
        case (.listInvoices, _): #expect(lines.count == 1 && lines[0]["invoices"]?.array?.isEmpty == false)
        case (.getInvoice, _): #expect(lines.count == 1 && lines[0]["invoice_items"]?.array?.isEmpty == false)
        case (.getAccount, _): #expect(lines.count == 1 && lines[0]["owner_email"] != nil)
        case (.getPlans, _), (.getPlanUsage, _): #expect(lines.count == 1 && lines[0]["plan_base"] != nil)
        // Only the caller's own accounts are listed and counted.
        case (.listAccounts, _):
            let listed = lines[0]["accounts"]?.array?.compactMap { $0.object?["id"]?.string } ?? []
            let own =
                permission == .wrongAccount
                ? [service.main.accounts.id(of: 1)] : all(permission == .wrongMaster ? service.second : service.main)
            #expect(lines.count == 1 && listed.sorted() == own)
            #expect(lines[0]["total_records"]?.integer == own.count && lines[0]["next_page_token"] == .string(""))
        case (.downloadInvoice, _), (.downloadInvoiceAtOlderPath, _):
            #expect(response.body.readableBytesView.starts(with: "%PDF".utf8))
        // Only the caller's own accounts are streamed and counted.
        case (.streamBilling, .wrongAccount):
            #expect(ids == [service.main.accounts.id(of: 1)])
            #expect(lines.first?["accounts"] == .number("1") && lines.last?["type"] == .string("end"))
        // Other accounts appear not found.
        case (.streamChosenBilling, .wrongAccount):
            #expect(lines[1...3].map { $0["code"]?.integer } == [2001, nil, 2001])
        case (.streamChosenBilling, .wrongMaster):
            #expect(lines[1...3].map { $0["code"]?.integer } == [2001, 2001, 2001])
        case (.streamChosenBilling, _): #expect(lines[1...3].map { $0["code"]?.integer } == [nil, nil, 2001])
        case (.streamBilling, .wrongMaster): #expect(ids == all(service.second))
        case (.streamBilling, _): #expect(ids == all(service.main))
        }
    }

    @Test(
        "a stream of plans, usage or invoices needs the scope of each, besides that of the stream",
        arguments: [
            ("include=plans", Caller.Scope.plansRead), ("include=usage", .plansRead),
            ("include=contact,plans,usage", .plansRead), ("include=contact,invoices", .invoicesRead),
        ])
    func kinds(include: String, scope: Caller.Scope) async throws {
        try await FiledService.with { service in
            let today = CalendarDate(of: SystemTime().timestamp)
            let days = scope == .invoicesRead ? "&from=\(today)&to=\(today)" : ""
            let target = "/v2/billing/stream?\(include)\(days)"
            let body = "{\"account_id\":\"\(service.main.accounts.id(of: 0))\"}\n"
            let own = service.main.accounts.id(of: 1)
            let needed = ["billing:export", scope.rawValue]
            let right = try await service.token(
                of: "right", "--scopes", needed.joined(separator: ","), "--master", "main", "--accounts", own)
            var others: [(String, String)] = []
            for missing in needed {
                let scopes = Self.scopes.filter { $0 != missing }.joined(separator: ",")
                others.append((missing, try await service.token(of: missing, "--scopes", scopes, "--master", "main")))
            }
            // The callers file is loaded when the last caller is known.
            while try await service.send(target, token: others[1].1).status == 401 { try Task.checkCancellation() }
            for (missing, token) in others {
                for (method, body) in [("GET", nil), ("HEAD", nil), ("POST", body)] {
                    let response = try await service.send(
                        target, authorization: "Bearer \(token)", method: method, body: body)
                    #expect(response.status == 403, "\(method) without \(missing)")
                    #expect(response.fields.string(.wwwAuthenticate)?.contains("scope=\"\(missing)\"") == true)
                }
            }
            // The allow-list applies to every kind.
            let lines = try await service.send(target, token: right).lines
            #expect(lines.compactMap { $0["account_id"]?.string } == include.split(separator: ",").map { _ in own })
            let chosen = try await service.send(target, authorization: "Bearer \(right)", method: "POST", body: body)
            #expect(chosen.lines.dropFirst().dropLast().allSatisfy { $0["code"] == .number("2001") })
            #expect(chosen.lines.count == lines.count)
        }
    }

    private static func all(_ zoom: SandboxZoom) -> [String] {
        (0..<zoom.accounts.count).map { zoom.accounts.id(of: $0) }.sorted()
    }

    @Test("every operation in openapi.yaml is tested")
    func complete() throws {
        let text = try String(contentsOf: TestProcess.root.appending(path: "openapi.yaml"), encoding: .utf8)
        var path = ""
        var operations: Set<String> = []
        for line in text.split(separator: "\n") {
            if let match = line.wholeMatch(of: /\ \ (\/v2\/\S+):/) { path = String(match.output.1) }
            if line.wholeMatch(of: /\ \ \/(?!v2\/)\S+:/) != nil { path = "" }
            if !path.isEmpty, let match = line.wholeMatch(of: /\ {4}(get|put|post|patch|delete):/) {
                operations.insert("\(match.output.1.uppercased()) \(path)")
            }
        }
        let tested = Operation.allCases.map(\.rawValue) + ChangePermissionTests.operations.map(\.name)
        #expect(operations == Set(tested).union(Self.documents))
    }

    /// The operations that everyone may call: they are the same for all, and hold nothing of an account.
    private static let documents: Set<String> = ["GET /v2/errors", "GET /v2/openapi.json", "GET /v2/openapi.yaml"]

    @Test("the documents are the same with and without a token, and with a wrong one")
    func publicDocuments() async throws {
        try await FiledService.with(accounts: 5) { service in
            let token = try await service.token(of: "job", "--scopes", "billing:read", "--master", "main")
            for document in Self.documents {
                let target = String(document.dropFirst(4))
                let answers = [
                    try await service.send(target, token: token),
                    try await service.send(target, authorization: "Bearer wrong"),
                    try await service.send(target, authorization: nil),
                ]
                #expect(
                    answers.allSatisfy { $0.status == answers[0].status && $0.body == answers[0].body }, "\(target)")
                // A program that was built without `make assets` has no JSON.
                let isOptional = target == "/v2/openapi.json"
                #expect(answers[0].status == 200 || isOptional && answers[0].status == 404, "\(target)")
            }
        }
    }

    @Test("an account outside the allow-list gets the same response as an unknown account, without a call to Zoom")
    func foreignAccount() async throws {
        try await FiledService.with(accounts: 50) { service in
            let own = service.main.accounts.id(of: 1)
            let token = try await service.token(
                of: "job", "--scopes", "billing:read,plans:read", "--master", "main", "--accounts", own)
            try await service.wait(for: 200, service.account(of: service.main, 1), token: token)
            let before = service.main.requestCounts
            for suffix in ["", "/billing", "/plans", "/plans/usage"] {
                func body(_ id: String) async throws -> String {
                    let response = try await service.send("/v2/accounts/\(id)\(suffix)", token: token)
                    #expect(response.status == 404)
                    return String(buffer: response.body).replacing(" \(id).", with: " ID.")
                }
                let existing = try await body(service.main.accounts.id(of: 0))
                let unknown = try await body("no-such-account")
                let selfPay = try #require((0..<50).first(where: service.main.accounts.isSelfPay))
                #expect(existing == unknown)
                #expect(try await body(service.main.accounts.id(of: selfPay)) == unknown)
                #expect(try await body("me") == unknown)
            }
            #expect(service.main.requestCounts == before)
        }
    }

    @Test("invoices outside the allow-list get the response of an unknown account, without a call to Zoom")
    func foreignInvoices() async throws {
        try await FiledService.with(accounts: 50, cacheTTL: "1h") { service in
            let own = service.main.accounts.id(of: 1)
            let foreign = service.main.accounts.id(of: 0)
            let all = "Bearer " + (try await service.token(of: "all", "--scopes", "invoices:read", "--master", "main"))
            let token = try await service.token(
                of: "job", "--scopes", "invoices:read", "--master", "main", "--accounts", own)
            let ownInvoices = "/v2/accounts/\(own)/billing/invoices"
            try await service.wait(for: 404, ownInvoices + "/unknown", token: token)
            let invoice = try await Self.invoice(of: foreign, service, all)
            let before = service.main.requestCounts
            func body(_ target: String, _ id: String) async throws -> String {
                let response = try await service.send(target, token: token)
                #expect(response.status == 404, "\(target)")
                return String(buffer: response.body).replacing(" \(id).", with: " ID.")
            }
            let unknown = try await body("/v2/accounts/nobody/billing/invoices?\(Self.period)", "nobody")
            for id in [foreign, "nobody", "me"] {
                let invoices = "/v2/accounts/\(id)/billing/invoices"
                #expect(try await body("\(invoices)?\(Self.period)", id) == unknown)
                #expect(try await body("\(invoices)/\(invoice)", id) == unknown)
                #expect(try await body("\(invoices)/unknown", id) == unknown)
            }
            #expect(service.main.requestCounts == before)
            // Under its own account, another's invoice is like one that does not exist.
            let others = try await body("\(ownInvoices)/\(invoice)", invoice)
            #expect(others == (try await body("\(ownInvoices)/unknown", "unknown")))
        }
    }
}
