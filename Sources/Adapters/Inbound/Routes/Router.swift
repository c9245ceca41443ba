package import Domain
package import Logging
package import Metrics
package import NIOCore

/// The way in: path, method, caller, then the route's own affair.
package final class Router: RequestHandler {
    private enum Route {
        case billing(account: ArraySlice<UInt8>)
        case billingStream

        var name: RequestNote.Route {
            switch self {
            case .billing: .billing
            case .billingStream: .billingStream
            }
        }
    }

    private let callerCheck: CallerCheck
    private let getBilling: GetBilling
    private let streamBilling: StreamBilling
    private let trustedProxies: [AddressRange]
    private let forwardedField: ForwardedField.Name
    private let tokenGuesses: TokenGuesses
    private let callerRates = CallerRates()
    private let observer: RequestObserver

    /// - Parameters:
    ///   - callers: Who may call.
    ///   - audit: Hears of every export.
    ///   - tracer: Makes the spans of requests.
    ///   - answerTimeMax: As `Timeouts.request` has it for the connections.
    ///   - trustedProxies: Whose word is taken for whom they forward for.
    ///   - forwardedField: Where they say it.
    ///   - guesses: Wrong tokens that one address may show.
    package init(
        lookUpContact: LookUpContact, exportContacts: ExportContacts,
        callers: any CallerDirectory, audit: AuditLog, accessLog: AccessLog, trustedProxies: [AddressRange] = [],
        forwardedField: ForwardedField.Name = .xForwardedFor,
        guesses: Limits.Rate = Limits.Rate(burst: 50, perSecond: 1), defences: DefenceLog? = nil,
        answerTimeMax: TimeAmount = Timeouts().request, time: any TimeSource, metrics: any MetricsFactory = .none,
        tracer: ServiceTracer = ServiceTracer(), logger: Logger
    ) {
        callerCheck = CallerCheck(directory: callers)
        getBilling = GetBilling(lookUpContact: lookUpContact, time: time, tracer: tracer)
        streamBilling = StreamBilling(
            exportContacts: exportContacts, callers: callers, audit: audit, metrics: StreamMetrics(metrics: metrics))
        self.trustedProxies = trustedProxies
        self.forwardedField = forwardedField
        tokenGuesses = TokenGuesses(rate: guesses, defences: defences ?? DefenceLog(logger: logger, metrics: metrics))
        observer = RequestObserver(
            metrics: RequestMetrics(metrics: metrics), accessLog: accessLog, tracer: tracer,
            answerTimeMax: answerTimeMax)
    }

    package func reply(to request: HTTPRequest) -> Reply {
        let requestID = RequestID(of: request)
        var observation = observer.begin(request, requestID)
        let reply = observer.inContext(of: &observation) { note in self.reply(to: request, requestID, &note) }
        return observer.observed(reply, to: request, observation, client: client)
    }

    /// Whom the request is from, through however many proxies of ours.
    private func client(of request: HTTPRequest) -> SocketAddress? {
        request.peer.address.map { peer in
            guard !trustedProxies.isEmpty else { return peer }
            var forwarded: String?
            var xForwardedFor: String?
            switch forwardedField {
            case .forwarded: forwarded = request.fields.list(.forwarded)
            case .xForwardedFor: xForwardedFor = request.fields.list(.xForwardedFor)
            }
            return ForwardedField.client(
                forwarded: forwarded, xForwardedFor: xForwardedFor, from: peer, trusted: trustedProxies)
        }
    }

    package func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        observer.refused(refusal, peer)
        return FailureTable.problem(for: refusal).response(RequestID(sent: requestID?[...]))
    }

    private func reply(to request: HTTPRequest, _ requestID: RequestID, _ note: inout RequestNote) -> Reply {
        func refuse(_ problem: ProblemDetails) -> Reply { .now(problem.response(requestID)) }
        let path = request.path
        let kind = Self.kind(of: request.method)
        note.method = kind.note
        guard let route = Self.route(for: path) else {
            if path.elementsEqual(Self.asterisk) { return .now(Self.options(requestID)) }
            // Whoever escapes what need not be wants it to be taken for something else.
            let isEscaped = path.contains(UInt8(ascii: "%"))
            return refuse(isEscaped ? FailureTable.problem(for: .malformed) : FailureTable.unknownPath)
        }
        note.route = route.name
        switch (route, kind) {
        case (_, .get), (_, .head), (.billingStream, .post): break
        case (.billingStream, .other): return refuse(FailureTable.streamMethods)
        case (.billing, .post), (.billing, .other): return refuse(FailureTable.readOnly)
        case (_, .unknown): return refuse(FailureTable.unknownMethod)
        }
        let (caller, proof): (Caller, CallerCredential)
        switch callerCheck.verdict(on: request) {
        case .caller(let known, let shown): (caller, proof) = (known, shown)
        // A request without a token is no guess.
        case .nobody: return refuse(FailureTable.unauthenticated)
        case .malformed: return refuse(FailureTable.malformedAuthorization)
        case .unknown: return refuse(wrongToken(from: request) ?? FailureTable.unknownToken)
        case .damagedToken: return refuse(wrongToken(from: request) ?? FailureTable.damagedToken)
        }
        note.caller = caller.name
        guard callerRates.mayAsk(caller) else { return refuse(FailureTable.callerRate) }
        switch route {
        case .billing(let account):
            return getBilling.reply(to: request, account: account, caller: caller, requestID, &note.cache)
        case .billingStream:
            return streamBilling.reply(
                to: request, isChosen: kind == .post, caller: caller, proof, requestID)
        }
    }

    /// Counts a wrong token. The answer to one too many.
    private func wrongToken(from request: HTTPRequest) -> ProblemDetails? {
        tokenGuesses.mayGuess(client(of: request)) ? nil : FailureTable.tooManyGuesses
    }

    private static let accounts = Array("/v2/accounts/".utf8)
    private static let billing = Array("/billing".utf8)
    private static let stream = Array("/v2/billing/stream".utf8)

    /// Segments are matched as they came, undecoded: nothing that is escaped means the same as what is not.
    private static func route(for path: ArraySlice<UInt8>) -> Route? {
        if path.starts(with: accounts) {
            let rest = path.dropFirst(accounts.count)
            guard rest.count > billing.count, rest.suffix(billing.count).elementsEqual(billing) else { return nil }
            let account = rest.dropLast(billing.count)
            return account.contains(UInt8(ascii: "/")) ? nil : .billing(account: account)
        }
        return path.elementsEqual(stream) ? .billingStream : nil
    }

    private static let asterisk = Array("*".utf8)

    /// What is said of the service as a whole (RFC 9110, 9.3.7).
    private static func options(_ requestID: RequestID) -> HTTPResponse {
        var response = HTTPResponse(status: 204)
        response.fields.append(.allow, "GET, HEAD, POST")
        requestID.append(to: &response.fields)
        return response
    }

    private enum MethodKind {
        case get
        case head
        case post
        case other
        case unknown

        var note: RequestNote.Method {
            switch self {
            case .get: .get
            case .head: .head
            case .post: .post
            case .other, .unknown: .other
            }
        }
    }

    private static let get = Array("GET".utf8)
    private static let head = Array("HEAD".utf8)
    private static let post = Array("POST".utf8)
    private static let other = ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"].map { Array($0.utf8) }

    private static func kind(of method: ArraySlice<UInt8>) -> MethodKind {
        if method.elementsEqual(get) { return .get }
        if method.elementsEqual(head) { return .head }
        if method.elementsEqual(post) { return .post }
        return other.contains { method.elementsEqual($0) } ? .other : .unknown
    }
}
