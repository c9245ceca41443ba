package import Domain
package import Logging
import NIOCore

/// The way in: path, method, caller, then the route's own affair.
package final class Router: RequestHandler {
    private enum Route {
        case billing(account: ArraySlice<UInt8>)
        case billingStream

        /// Without what differs from request to request.
        var template: String {
            switch self {
            case .billing: "/v2/accounts/{accountId}/billing"
            case .billingStream: "/v2/billing/stream"
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
    private let accessLog: AccessLog

    /// - Parameters:
    ///   - callers: Who may call.
    ///   - audit: Hears of every export.
    ///   - trustedProxies: Whose word is taken for whom they forward for.
    ///   - forwardedField: Where they say it.
    ///   - guesses: Wrong tokens that one address may show.
    package init(
        lookUpContact: LookUpContact, exportContacts: ExportContacts,
        callers: any CallerDirectory, audit: AuditLog, accessLog: AccessLog, trustedProxies: [AddressRange] = [],
        forwardedField: ForwardedField.Name = .xForwardedFor,
        guesses: Limits.Rate = Limits.Rate(atOnce: 50, perSecond: 1), defences: DefenceLog? = nil, time: any TimeSource,
        logger: Logger
    ) {
        callerCheck = CallerCheck(directory: callers)
        getBilling = GetBilling(lookUpContact: lookUpContact, time: time)
        streamBilling = StreamBilling(exportContacts: exportContacts, callers: callers, audit: audit)
        self.trustedProxies = trustedProxies
        self.forwardedField = forwardedField
        tokenGuesses = TokenGuesses(rate: guesses, defences: defences ?? DefenceLog(logger: logger))
        self.accessLog = accessLog
    }

    package func reply(to request: HTTPRequest) -> Reply {
        let requestID = RequestID(of: request)
        let reply = reply(to: request, requestID).inTrace(of: request)
        return accessLog.takes(requestID) ? logged(reply, to: request, requestID) : reply
    }

    /// The same, and a line in the log once it is known what is answered.
    private func logged(_ reply: Reply, to request: HTTPRequest, _ requestID: RequestID) -> Reply {
        let line = AccessLog.Line(
            method: String(decoding: request.method, as: UTF8.self),
            route: Self.route(for: request.path)?.template ?? "none",
            client: client(of: request)?.ipAddress ?? "unknown")
        switch reply {
        case .now(let response):
            accessLog.note(line, requestID, response)
            return reply
        case .eventually(let make):
            return .eventually { [accessLog] in
                let response = await make()
                accessLog.note(line, requestID, response)
                return response
            }
        case .stream(let head, _):
            accessLog.note(line, requestID, head)
            return reply
        case .abandoned: return reply
        }
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

    package func refuse(_ refusal: Refusal, requestID: [UInt8]?) -> HTTPResponse {
        FailureTable.problem(for: refusal).response(RequestID(sent: requestID?[...]))
    }

    private func reply(to request: HTTPRequest, _ requestID: RequestID) -> Reply {
        func refuse(_ problem: ProblemDetails) -> Reply { .now(problem.response(requestID)) }
        let path = request.path
        guard let route = Self.route(for: path) else {
            if path.elementsEqual(Self.asterisk) { return .now(Self.options(requestID)) }
            // Whoever escapes what need not be wants it to be taken for something else.
            let isEscaped = path.contains(UInt8(ascii: "%"))
            return refuse(isEscaped ? FailureTable.problem(for: .malformed) : FailureTable.unknownPath)
        }
        let kind = Self.kind(of: request.method)
        switch (route, kind) {
        case (_, .reading), (.billingStream, .post): break
        case (.billingStream, .other): return refuse(FailureTable.streamMethods)
        case (.billing, .post), (.billing, .other): return refuse(FailureTable.readOnly)
        case (_, .unknown): return refuse(FailureTable.unknownMethod)
        }
        let (caller, proof): (Caller, CallerProof)
        switch callerCheck.verdict(on: request) {
        case .caller(let known, let shown): (caller, proof) = (known, shown)
        // Whoever shows nothing guesses nothing.
        case .nobody: return refuse(FailureTable.unauthenticated)
        case .unknown: return refuse(wrongToken(from: request) ?? FailureTable.unknownToken)
        case .damagedToken: return refuse(wrongToken(from: request) ?? FailureTable.damagedToken)
        }
        guard callerRates.mayAsk(caller) else { return refuse(FailureTable.callerRate) }
        switch route {
        case .billing(let account):
            return getBilling.reply(to: request, account: account, caller: caller, requestID)
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
        case reading
        case post
        case other
        case unknown
    }

    private static let get = Array("GET".utf8)
    private static let head = Array("HEAD".utf8)
    private static let post = Array("POST".utf8)
    private static let other = ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"].map { Array($0.utf8) }

    private static func kind(of method: ArraySlice<UInt8>) -> MethodKind {
        if method.elementsEqual(get) || method.elementsEqual(head) { return .reading }
        if method.elementsEqual(post) { return .post }
        return other.contains { method.elementsEqual($0) } ? .other : .unknown
    }
}

extension Reply {
    /// The same, its work done in the trace of the request.
    fileprivate func inTrace(of request: HTTPRequest) -> Reply {
        if case .now = self { return self }
        // Taken out now, so that the request's fields are not kept for as long as the work goes on.
        guard let traceparent = request.fields.string(.traceparent) else { return self }
        switch self {
        case .now: return self
        case .eventually(let make):
            return .eventually { await TraceContext.$traceparent.withValue(traceparent) { await make() } }
        case .stream(let head, let write):
            return .stream(head) { body in
                await TraceContext.$traceparent.withValue(traceparent) { await write(body) }
            }
        case .abandoned: return self
        }
    }
}
