package import Domain
import NIOCore
import Synchronization

/// A simulation of Zoom for tests and trials: the token endpoint, and the reads and writes of the Billing API.
///
/// It makes Zoom's checks in Zoom's order and uses Zoom's error texts. It can inject every known kind of failure.
package final class SandboxZoom: RequestHandler {
    package let accounts: SandboxAccounts
    let invoices: SandboxInvoices
    let records = SandboxRecords()
    let journal = SandboxJournal()
    private let fileBytes: Int
    let clock: SandboxClock
    let faults: SandboxFaultInjector
    let tokens: SandboxTokens
    let pageTokens: SandboxPageTokens
    private let rateLimits: SandboxRateLimits
    private let apps: Mutex<[SandboxConfiguration.App]>
    private let handled = Mutex<[SandboxOperation: Int]>([:])
    private let rateLimited = Atomic(0)

    /// The number of the last exchange, for its tracking id.
    private let exchanges = Atomic(0)

    /// Numbers of requests since the start.
    package struct Counts: Sendable, Equatable {
        package var tokens = 0
        package var billing = 0
        package var accountPages = 0
        package var rateLimited = 0

        /// Requests that passed the access checks and the rate limits.
        package var operations: [SandboxOperation: Int] = [:]
    }

    /// The requests that were handled, and those over a rate limit.
    package var requestCounts: Counts {
        let handled = handled.withLock { $0 }
        return Counts(
            tokens: handled[.requestAccessToken] ?? 0, billing: handled[.getBillingInformation] ?? 0,
            accountPages: handled[.listSubAccounts] ?? 0, rateLimited: rateLimited.load(ordering: .relaxed),
            operations: handled)
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
        invoices = SandboxInvoices(accounts: accounts, seed: configuration.seed)
        fileBytes = configuration.pdfBytes
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
    func change(appWithClientID id: String, _ change: (inout SandboxConfiguration.App) -> Void) -> Bool {
        apps.withLock { apps in
            guard let index = apps.firstIndex(where: { $0.clientID == id }) else { return false }
            change(&apps[index])
            return true
        }
    }

    func app(clientID: String, secret: String) -> SandboxConfiguration.App? {
        apps.withLock { apps in apps.first { $0.clientID == clientID && $0.clientSecret == secret } }
    }

    /// Ends all faults.
    package func removeFaults() {
        faults.removeAll()
    }

    /// Adds a fault for later requests.
    package func add(_ fault: SandboxFault) {
        faults.add(fault)
    }

    private func count(_ operation: SandboxOperation) {
        handled.withLock { $0[operation, default: 0] += 1 }
    }

    // MARK: Requests

    package func reply(to request: HTTPRequest) -> Reply {
        guard let call = SandboxCall(request) else {
            if let reply = controlReply(to: request) { return reply }
            return .now(SandboxResponse.error(404, 404, "There is no such operation in this sandbox."))
        }
        guard let (delay, fault) = faults.next(call.operation, ownerID(of: call)) else { return reply(to: call) }
        if fault?.kind == .tokenRevoked, let token = call.bearerToken { tokens.revoke(token) }
        return inject(fault, after: delay, into: call)
    }

    /// The reply without a fault.
    func reply(to call: SandboxCall) -> Reply {
        switch call.operation.endpoint.behaviour {
        case .immediate, .file: immediateReply(to: call).reply
        case .afterBody, .write, .membership: .eventually { [self] in await response(to: call) }
        }
    }

    /// The regular response of an operation that does not respond with a file.
    func response(to call: SandboxCall, under fault: SandboxFault? = nil) async -> HTTPResponse {
        guard let response = await regularReply(to: call, under: fault).whole else {
            preconditionFailure("\(call.operation) responds with a file")
        }
        return response
    }

    /// Reads the request body if the operation needs it, and makes the regular reply.
    ///
    /// - Parameter fault: The fault under which the request is processed, for the journal of writes.
    func regularReply(to call: SandboxCall, under fault: SandboxFault? = nil) async -> SandboxReply {
        switch call.operation.endpoint.behaviour {
        case .immediate, .file: return immediateReply(to: call)
        case .afterBody(let bytesMax, let respond):
            let body = try? await call.request.body.collect(bytesMax: bytesMax)
            return checked(call) { SandboxReply(respond(self, call, body)) }
        case .write(let change):
            let body = try? await call.request.body.collect(bytesMax: Self.writeBytesMax)
            return SandboxReply(write(call, body, under: fault) { apply(change, call, body, under: fault) })
        case .membership(let change):
            let body = try? await call.request.body.collect(bytesMax: Self.writeBytesMax)
            return SandboxReply(write(call, body, under: fault) { apply(change, call, body, under: fault) })
        }
    }

    /// The regular reply of an operation that does not read the request body.
    func immediateReply(to call: SandboxCall) -> SandboxReply {
        checked(call) {
            switch call.operation.endpoint.behaviour {
            case .immediate(let respond): SandboxReply(respond(self, call))
            case .file(let respond): respond(self, call)
            case .afterBody, .write, .membership: preconditionFailure("\(call.operation) reads the request body")
            }
        }
    }

    package func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        SandboxResponse.error(refusal.status, refusal.status, "The request was refused.")
    }

    // MARK: Access

    /// Makes the access checks of an operation, and calls `respond` if all pass.
    func checked(_ call: SandboxCall, _ respond: () -> SandboxReply) -> SandboxReply {
        let endpoint = call.operation.endpoint
        guard case .accessToken(let scopes, let label, let perAccount, let account) = endpoint.access else {
            count(call.operation)
            return respond()
        }
        if let refusal = unauthorized(call, scopes) { return SandboxReply(refusal) }
        let verdict = rateLimits.verdict(for: label)
        let reply: SandboxReply
        if let refusal = SandboxResponse.tooMany(verdict) ?? tooManyForAccount(call, perAccount, endpoint.title) {
            rateLimited.add(1, ordering: .relaxed)
            reply = SandboxReply(refusal)
        } else if call.account == Self.ownAccount, account == .subAccount {
            reply = SandboxReply(SandboxResponse.unknownAccount(call.account))
        } else {
            count(call.operation)
            reply = respond()
        }
        let exchange = exchanges.add(1, ordering: .relaxed).newValue
        return reply.changing { response in
            SandboxResponse.appendRateFields(verdict, label, to: &response)
            response.fields.append(FieldName("x-zm-trackingid"), "v=2.0;clid=sandbox;rid=WEB_\(exchange)")
        }
    }

    private func tooManyForAccount(
        _ call: SandboxCall, _ limit: SandboxRateLimits.PerAccount?, _ title: String
    ) -> HTTPResponse? {
        // The owner of an unknown invoice is unknown.
        let owner = ownerID(of: call)
        guard let limit, !owner.isEmpty else { return nil }
        let verdict = rateLimits.verdict(by: limit, of: call.operation, for: owner, invoice: call.invoice)
        return SandboxResponse.tooMany(verdict, title)
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
            case .ordinary:
                return call.account == Self.ownAccount ? nil : SandboxResponse.error(400, 200, "No permission.")
            case .freeMaster: return SandboxResponse.onlyForPaidAccounts()
            case .paidMaster: return nil
            }
        }
    }

    // MARK: Accounts and invoices

    /// Zoom's alias for the account of the app.
    private static let ownAccount = "me"

    /// The account in the path, or the owner of the invoice in the path.
    private func ownerID(of call: SandboxCall) -> String {
        guard call.account.isEmpty, let key = invoices.key(of: call.invoice) else { return call.account }
        return key.account == SandboxAccounts.master ? Self.ownAccount : accounts.id(of: key.account)
    }

    /// The current day in UTC.
    var today: SandboxDate { SandboxDate(clock.timestamp) }

    /// The plans of an account as its writes changed them.
    func plans(of account: Int) -> SandboxPlans {
        guard var plans = records[account]?.plans else {
            return SandboxPlans(of: account, kind: accounts.kind(of: account), created: accounts.created(account))
        }
        plans.removeEnded(on: today)
        return plans
    }

    func nextInvoiceDate(of account: Int) -> SandboxDate { invoices.nextDate(of: account, after: today) }

    /// Whether an account has no plans.
    func isFree(_ account: Int) -> Bool {
        guard var plans = records[account]?.plans else { return accounts.isFree(account) }
        plans.removeEnded(on: today)
        return plans.isFree
    }

    /// The hosts of the base plan or the bundle of an account.
    func seats(of account: Int) -> Int {
        guard let plans = records[account]?.plans else { return SandboxPlanKind.hosts(of: account) }
        return (plans.base ?? plans.bundle)?.hosts ?? 1
    }

    /// `nil` if there is no such invoice.
    func invoice(_ id: String) -> SandboxInvoice? {
        invoices.key(of: id).flatMap { invoices.invoice($0, today: today, charges: records[$0.account]?.charges) }
    }

    func file(of invoice: SandboxInvoice) -> SandboxInvoiceFile {
        let name =
            accounts.kind(of: invoice.account) == .unsafeFileName
            ? "../../etc/\(invoice.number)\".exe;\\.pdf" : "\(invoice.number).pdf"
        return SandboxInvoiceFile(invoice, name: name, byteCount: fileBytes)
    }

    /// The number of an account in a path; `nil` if there is none.
    func number(of id: String) -> Int? { id == Self.ownAccount ? SandboxAccounts.master : accounts.number(of: id) }

    /// The response about an account in any billing mode.
    func response(for id: String, _ respond: (Int) -> HTTPResponse) -> HTTPResponse {
        guard let number = number(of: id) else { return SandboxResponse.unknownAccount(id) }
        return respond(number)
    }

    /// The response about an account for which the master account pays.
    func response(forMasterPaid id: String, _ respond: (Int) -> HTTPResponse) -> HTTPResponse {
        response(for: id) { number in
            accounts.isSelfPay(number) ? SandboxResponse.selfPay : respond(number)
        }
    }

    /// The response about an account with a paid plan, for which the master account pays.
    func response(forPaid id: String, _ respond: (Int) -> HTTPResponse) -> HTTPResponse {
        response(forMasterPaid: id) { number in
            guard isFree(number) else { return respond(number) }
            return SandboxResponse.onlyForPaidAccounts(
                status: accounts.kind(of: number) == .freeWithSuccessStatus ? 200 : 400)
        }
    }
}
