package import Domain
import FoundationEssentials
import NIOCore
import Synchronization

/// A simulated Zoom: its token endpoint and some of its operations, with Zoom's checks in Zoom's order and Zoom's
/// messages. It can inject faults.
package final class SandboxZoom: RequestHandler {
    package let accounts: SandboxAccounts
    let trouble: SandboxTrouble
    let clock: SandboxClock
    private let configuration: SandboxConfiguration
    private let apps: Mutex<[SandboxConfiguration.App]>
    private let tokens: SandboxTokens
    private let rateLimits: SandboxRateLimits
    private let pageTokens: SandboxPageTokens
    private let counts = Mutex(Counts())

    /// The numbers of requests so far.
    package struct Counts: Sendable, Equatable {
        package var tokens = 0
        package var billing = 0
        package var accountPages = 0
        package var rateLimited = 0
    }

    package var requestCounts: Counts { counts.withLock { $0 } }

    /// - Parameter time: The time source of the sandbox's clock.
    package init(configuration: SandboxConfiguration, time: any TimeSource) {
        self.configuration = configuration
        apps = Mutex(configuration.apps)
        let clock = SandboxClock(time)
        if let start = configuration.start { clock.set(start) }
        self.clock = clock
        trouble = SandboxTrouble(
            faults: configuration.faults, latency: configuration.latency, seed: configuration.seed)
        accounts = SandboxAccounts(count: configuration.accounts, seed: configuration.seed)
        tokens = SandboxTokens(lifetime: configuration.tokenLifetime, behaviour: configuration.tokens, time: clock)
        rateLimits = SandboxRateLimits(plan: configuration.limits, time: clock)
        pageTokens = SandboxPageTokens(seed: configuration.seed, time: clock)
    }

    /// Revokes every token, as deactivating and reactivating an app does.
    package func revokeTokens() {
        tokens.revokeAll()
    }

    /// Replaces the app with this client id, as making a new secret does. Its tokens stay valid.
    package func replace(_ app: SandboxConfiguration.App) {
        apps.withLock { apps in
            apps.removeAll { $0.clientID == app.clientID }
            apps.append(app)
        }
    }

    /// - Returns: Whether there is such an app.
    func replaceSecret(of clientID: String, with secret: String) -> Bool {
        apps.withLock { apps in
            guard let index = apps.firstIndex(where: { $0.clientID == clientID }) else { return false }
            apps[index].clientSecret = secret
            return true
        }
    }

    /// Adds a fault for later requests.
    package func add(_ fault: SandboxFault) {
        trouble.add(fault)
    }

    // MARK: Requests

    package func reply(to request: HTTPRequest) -> Reply {
        if let reply = adminReply(to: request) { return reply }
        guard let (operation, account) = SandboxOperation.of(method: request.method, path: request.path) else {
            return .now(SandboxAnswer.error(404, 404, "There is no such operation in this sandbox."))
        }
        guard let (delay, fault) = trouble.next(operation, account) else {
            return reply(to: request, operation, account)
        }
        if fault?.kind == .tokenRevoked, let token = Self.bearer(of: request) { tokens.revoke(token) }
        return spoil(fault, delay) { [self] in reply(to: request, operation, account) }
    }

    private func reply(to request: HTTPRequest, _ operation: SandboxOperation, _ account: String) -> Reply {
        switch operation {
        case .token: .eventually { [self] in await token(for: request) }
        case .listSubAccounts:
            .now(
                answer(request, operation) {
                    guard let query = Self.form(request.query ?? []) else {
                        return SandboxAnswer.error(400, 300, "Validation Failed.")
                    }
                    return listAccounts(query: query)
                })
        case .getSubAccount: .now(answer(request, operation) { details(of: account) })
        case .getBilling:
            .now(
                answer(request, operation) {
                    counts.withLock { $0.billing += 1 }
                    return billable(account) {
                        SandboxAnswer.contact(accounts.contact(of: $0), accounts.oddity(of: $0))
                    }
                })
        case .getPlanUsage: .now(answer(request, operation) { billable(account, SandboxAnswer.planUsage) })
        case .listInvoices:
            .now(
                answer(request, operation) {
                    if let resumes = rateLimits.specialRefusal(of: operation, for: account) {
                        counts.withLock { $0.rateLimited += 1 }
                        return SandboxAnswer.tooManyOfOne("List billing invoices", resumes)
                    }
                    return billable(account, SandboxAnswer.invoices)
                })
        }
    }

    package func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        SandboxAnswer.error(refusal.status, refusal.status, "The request was refused.")
    }

    private static func bearer(of request: HTTPRequest) -> String? {
        request.fields[.authorization].flatMap { AuthorizationField.credentials(of: "Bearer", in: $0) }
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// The checks of every operation: token, scope, kind of account, rate limit.
    private func answer(
        _ request: HTTPRequest, _ operation: SandboxOperation, _ make: () -> HTTPResponse
    ) -> HTTPResponse {
        guard let token = Self.bearer(of: request) else {
            return SandboxAnswer.error(401, 124, "Invalid access token.")
        }
        switch tokens.standing(of: token) {
        case .unknown: return SandboxAnswer.error(401, 124, "Invalid access token.")
        case .expired: return SandboxAnswer.error(401, 124, "Access token is expired.")
        case .good(let app):
            guard app.scopes.contains(where: operation.scopes.contains) else {
                return SandboxAnswer.error(
                    400, 4711,
                    "Invalid access token, does not contain scopes:[\(operation.scopes.joined(separator: ", "))].")
            }
            switch app.account {
            case .ordinary: return SandboxAnswer.error(400, 200, "No permission.")
            case .freeMaster: return SandboxAnswer.error(400, 200, "Only available for paid account.")
            case .paidMaster: break
            }
            guard let label = operation.label else { return make() }
            let verdict = rateLimits.verdict(for: label)
            let refusal = SandboxAnswer.refusal(verdict)
            if refusal != nil { counts.withLock { $0.rateLimited += 1 } }
            var response = refusal ?? make()
            SandboxAnswer.tell(verdict, label, in: &response)
            return response
        }
    }

    /// The response about an account that the master pays for.
    private func billable(_ id: String, _ make: (Int) -> HTTPResponse) -> HTTPResponse {
        guard let number = accounts.number(of: id) else { return Self.unknown(id) }
        guard !accounts.isSelfPay(number) else {
            return SandboxAnswer.error(400, 2100, "This sub account is on self pay mode.")
        }
        return make(number)
    }

    private func details(of id: String) -> HTTPResponse {
        guard let number = accounts.number(of: id) else { return Self.unknown(id) }
        return SandboxAnswer.details(id, number, isSelfPay: accounts.isSelfPay(number))
    }

    private static func unknown(_ id: String) -> HTTPResponse {
        SandboxAnswer.error(404, 2001, "Account does not exist: \(id).")
    }

    private func listAccounts(query: [String: String]) -> HTTPResponse {
        counts.withLock { $0.accountPages += 1 }
        // Zoom does not document the result of more than 300. The sandbox uses 300.
        let pageSize = min(max(query["page_size"].flatMap(Int.init) ?? 30, 1), 300)
        var start = 0
        if let token = query["next_page_token"], !token.isEmpty {
            guard let offset = pageTokens.offset(of: token) else {
                return SandboxAnswer.error(400, 300, "Invalid parameter \"next_page_token\".")
            }
            start = min(offset, accounts.count)
        }
        let end = min(start + pageSize, accounts.count)
        return SandboxAnswer.json(status: 200) { object in
            object.member("page_count", (accounts.count + pageSize - 1) / pageSize)
            object.member("page_number", start / pageSize + 1)
            object.member("page_size", pageSize)
            object.member("total_records", accounts.count)
            object.member("next_page_token", end < accounts.count ? pageTokens.token(for: end) : "")
            object.member("accounts") { buffer in
                buffer.writeJSONArray(start..<end) { buffer, number in
                    buffer.writeJSONObject { object in
                        object.member("id", accounts.id(of: number))
                        object.member("account_name", "Example account \(number)")
                        object.member("account_number", String(100_000_000 + number))
                        object.member("owner_email", "owner-\(number)@example.com")
                        object.member("account_type", "Business")
                        object.member("seats", 10 + number % 90)
                        object.member("subscription_start_time", "2026-02-01T00:00:00Z")
                        object.member("subscription_end_time", "2027-01-31T00:00:00Z")
                        object.member("created_at", "2024-02-01T09:00:00Z")
                    }
                }
            }
        }
    }

    // MARK: Tokens

    private func token(for request: HTTPRequest) async -> HTTPResponse {
        counts.withLock { $0.tokens += 1 }
        guard let body = try? await request.body.collect(bytesMax: 16_384),
            let parameters = Self.form((request.query ?? []) + [UInt8(ascii: "&")] + body.readableBytesView)
        else { return SandboxAnswer.oauthError("invalid_request", reason: "Bad Request") }
        guard parameters["grant_type"] == "account_credentials" else {
            return SandboxAnswer.oauthError("unsupported_grant_type", reason: "unsupported grant type")
        }
        let basic = request.fields[.authorization].flatMap(Self.basicCredentials)
        guard let basic,
            let app = apps.withLock({ apps in
                apps.first { $0.clientID == basic.user && $0.clientSecret == basic.password }
            })
        else {
            return SandboxAnswer.oauthError("invalid_client", reason: "Invalid client_id or client_secret")
        }
        guard parameters["account_id"] == app.accountID else {
            return SandboxAnswer.oauthError("invalid_request", reason: "Bad Request")
        }
        let token = tokens.grant(to: app)
        return SandboxAnswer.json(status: 200) { object in
            object.member("access_token", token)
            object.member("token_type", "bearer")
            object.member("expires_in", Int(configuration.tokenLifetime.components.seconds))
            object.member("scope", app.scopes.joined(separator: " "))
            object.member("api_url", "https://api.zoom.us")
        }
    }

    private static func basicCredentials(_ authorization: ArraySlice<UInt8>) -> (user: String, password: String)? {
        guard let encoded = AuthorizationField.credentials(of: "Basic", in: authorization),
            let data = Data(base64Encoded: String(decoding: encoded, as: UTF8.self))
        else { return nil }
        let parts = String(decoding: data, as: UTF8.self).split(
            separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
    }

    /// The parameters of a query or of a form body; nil if one is repeated (RFC 6749, 3.2).
    private static func form(_ text: ArraySlice<UInt8>) -> [String: String]? {
        var parameters: [String: String] = [:]
        for pair in text.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentEncoding.decode(parts[0]) else { continue }
            guard parameters[name] == nil else { return nil }
            parameters[name] = parts.count == 2 ? PercentEncoding.decode(parts[1]) : ""
        }
        return parameters
    }
}
