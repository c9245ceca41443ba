package import Domain
import NIOCore
import Synchronization

/// A simulation of Zoom for tests and trials: the token endpoint and some operations of the API.
///
/// It makes Zoom's checks in Zoom's order and uses Zoom's error texts. It can inject every known kind of failure.
package final class SandboxZoom: RequestHandler {
    package let accounts: SandboxAccounts
    let clock: SandboxClock
    let faults: SandboxFaultInjector
    let tokens: SandboxTokens
    let pageTokens: SandboxPageTokens
    private let rateLimits: SandboxRateLimits
    private let apps: Mutex<[SandboxConfiguration.App]>
    private let handled = Mutex<[SandboxOperation: Int]>([:])
    private let rateLimited = Atomic(0)

    /// Numbers of requests since the start.
    package struct Counts: Sendable, Equatable {
        package var tokens = 0
        package var billing = 0
        package var accountPages = 0
        package var rateLimited = 0
    }

    /// The requests that were handled, and those over a rate limit.
    package var requestCounts: Counts {
        let handled = handled.withLock { $0 }
        return Counts(
            tokens: handled[.requestAccessToken] ?? 0, billing: handled[.getBillingInformation] ?? 0,
            accountPages: handled[.listSubAccounts] ?? 0, rateLimited: rateLimited.load(ordering: .relaxed))
    }

    /// - Parameter time: The base of the sandbox's clock.
    package init(configuration: SandboxConfiguration, time: any TimeSource) {
        apps = Mutex(configuration.apps)
        let clock = SandboxClock(time)
        if let start = configuration.start { clock.set(start) }
        self.clock = clock
        faults = SandboxFaultInjector(
            faults: configuration.faults, latency: configuration.latency, seed: configuration.seed)
        accounts = SandboxAccounts(count: configuration.accounts, seed: configuration.seed)
        tokens = SandboxTokens(lifetime: configuration.tokenLifetime, behaviour: configuration.tokens, time: clock)
        rateLimits = SandboxRateLimits(plan: configuration.limits, time: clock)
        pageTokens = SandboxPageTokens(seed: configuration.seed, time: clock)
    }

    /// Revokes all tokens, like deactivating and reactivating an app.
    package func revokeTokens() {
        tokens.revokeAll()
    }

    /// Replaces the app with the same client id, like generating a new client secret. Its tokens stay valid.
    package func replace(_ app: SandboxConfiguration.App) {
        apps.withLock { apps in
            apps.removeAll { $0.clientID == app.clientID }
            apps.append(app)
        }
    }

    /// - Returns: Whether the app exists.
    func replaceSecret(of clientID: String, with secret: String) -> Bool {
        apps.withLock { apps in
            guard let index = apps.firstIndex(where: { $0.clientID == clientID }) else { return false }
            apps[index].clientSecret = secret
            return true
        }
    }

    func app(clientID: String, secret: String) -> SandboxConfiguration.App? {
        apps.withLock { apps in apps.first { $0.clientID == clientID && $0.clientSecret == secret } }
    }

    /// Adds a fault for later requests.
    package func add(_ fault: SandboxFault) {
        faults.add(fault)
    }

    func count(_ operation: SandboxOperation) {
        handled.withLock { $0[operation, default: 0] += 1 }
    }

    // MARK: Requests

    package func reply(to request: HTTPRequest) -> Reply {
        if let reply = controlReply(to: request) { return reply }
        guard let call = SandboxCall(request) else {
            return .now(SandboxResponse.error(404, 404, "There is no such operation in this sandbox."))
        }
        guard let (delay, fault) = faults.next(call.operation, call.account) else { return reply(to: call) }
        if fault?.kind == .tokenRevoked, let token = call.bearerToken { tokens.revoke(token) }
        return inject(fault, after: delay) { [self] in reply(to: call) }
    }

    private func reply(to call: SandboxCall) -> Reply {
        switch call.operation.endpoint.behaviour {
        case .immediate(let respond): .now(checked(call) { respond(self, call) })
        case .afterBody(let bytesMax, let respond):
            .eventually { [self] in
                let body = try? await call.request.body.collect(bytesMax: bytesMax)
                return checked(call) { respond(self, call, body) }
            }
        }
    }

    package func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        SandboxResponse.error(refusal.status, refusal.status, "The request was refused.")
    }

    /// Makes the access checks of an operation, and calls `respond` if all pass.
    private func checked(_ call: SandboxCall, _ respond: () -> HTTPResponse) -> HTTPResponse {
        let endpoint = call.operation.endpoint
        guard case .accessToken(let scopes, let label, let perAccount) = endpoint.access else { return respond() }
        if let refusal = unauthorized(call, scopes) { return refusal }
        let verdict = rateLimits.verdict(for: label)
        var response: HTTPResponse
        if let refusal = SandboxResponse.tooMany(verdict) {
            rateLimited.add(1, ordering: .relaxed)
            response = refusal
        } else if let perAccount,
            let resumes = rateLimits.refusal(by: perAccount, of: call.operation, for: call.account)
        {
            rateLimited.add(1, ordering: .relaxed)
            response = SandboxResponse.tooManyForAccount(endpoint.title, until: resumes)
        } else {
            response = respond()
        }
        SandboxResponse.appendRateFields(verdict, label, to: &response)
        return response
    }

    /// Checks the access token, its scopes and the app's account. `nil` if all pass.
    private func unauthorized(_ call: SandboxCall, _ scopes: [String]) -> HTTPResponse? {
        guard let token = call.bearerToken else { return SandboxResponse.error(401, 124, "Invalid access token.") }
        switch tokens.status(of: token) {
        case .unknown: return SandboxResponse.error(401, 124, "Invalid access token.")
        case .expired: return SandboxResponse.error(401, 124, "Access token is expired.")
        case .valid(let app):
            guard app.scopes.contains(where: scopes.contains) else {
                return SandboxResponse.error(
                    400, 4711,
                    "Invalid access token, does not contain scopes:[\(scopes.joined(separator: ", "))].")
            }
            switch app.account {
            case .ordinary: return SandboxResponse.error(400, 200, "No permission.")
            case .freeMaster: return SandboxResponse.error(400, 200, "Only available for paid account.")
            case .paidMaster: return nil
            }
        }
    }

    // MARK: Accounts

    /// The response about an account in any billing mode.
    func response(for id: String, _ respond: (Int) -> HTTPResponse) -> HTTPResponse {
        guard let number = accounts.number(of: id) else { return SandboxResponse.unknownAccount(id) }
        return respond(number)
    }

    /// The response about an account for which the master account pays.
    func response(forMasterPaid id: String, _ respond: (Int) -> HTTPResponse) -> HTTPResponse {
        response(for: id) { number in
            guard !accounts.isSelfPay(number) else {
                return SandboxResponse.error(400, 2100, "This sub account is on self pay mode.")
            }
            return respond(number)
        }
    }
}
