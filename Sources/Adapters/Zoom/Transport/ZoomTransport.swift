import Domain
import Instrumentation
import Logging
import NIOCore
import Synchronization
import Tracing

/// Sends requests to Zoom's API for one master account: with an access token and a permit of the rate limiter, and only
/// while the circuit breaker is closed. Each exchange is recorded as a span and in the metrics.
final class ZoomTransport: Sendable {
    private let configuration: ZoomConfiguration
    private let http: HTTPClient
    private let files: ZoomFileClient
    private let tokens: AccessTokens
    private let limiters: [ZoomRateLabel: RateLimiter]
    private let sharedQuotas: SharedAccountQuotas?
    private let time: any TimeSource
    private let metrics: ZoomMetrics
    private let tracer: ServiceTracer
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var circuits = ZoomCircuits()
        var pauses = KeyedPauses<AccountQuotas.Subject>()
        var quotas = AccountQuotas()
    }

    /// The most new tokens that one request is sent again with. `TokenRefresh` limits how fast they are obtained.
    private static let newTokensMax = 3

    init(
        configuration: ZoomConfiguration, http: HTTPClient, files: ZoomFileClient, tokens: AccessTokens,
        limiters: [ZoomRateLabel: RateLimiter], sharedQuotas: SharedAccountQuotas?, time: any TimeSource,
        metrics: ZoomMetrics, tracer: ServiceTracer,
        logger: Logger
    ) {
        self.configuration = configuration
        self.http = http
        self.files = files
        self.tokens = tokens
        self.limiters = limiters
        self.sharedQuotas = sharedQuotas
        self.time = time
        self.metrics = metrics
        self.tracer = tracer
        self.logger = logger
    }

    var isCircuitOpen: Bool { state.withLock { !$0.circuits.isClosed } }

    // MARK: Sending

    /// Sends a request, and sends it again with a new access token while Zoom refuses the token. If Zoom revokes older tokens
    /// when it grants one, the token of another replica may revoke the new token as well.
    ///
    /// - Parameters:
    ///   - queueDeadline: When the request stops waiting for a permit; `nil` to wait as long as the purpose allows.
    ///   - policy: Says whether the request may be sent again after a refused token.
    ///   - call: All attempts of the call, for the circuit breaker.
    func send(
        _ request: ZoomRequest, for purpose: Purpose, queueDeadline: Moment?, policy: ZoomRetryPolicy,
        _ call: inout ZoomCircuits.Call
    ) async throws(ZoomFailure) -> ZoomAnswer {
        try await attempt(request, for: purpose, queueDeadline: queueDeadline, policy: policy, &call) {
            token, permittedAt async throws(ZoomFailure) in
            try await exchange(request, token: token, permittedAt: permittedAt, for: purpose)
        }
    }

    /// Sends a request for a file as `send` does. Returns when the first bytes of the file were received.
    func open(
        _ request: ZoomRequest, for purpose: Purpose, queueDeadline: Moment?, policy: ZoomRetryPolicy,
        _ call: inout ZoomCircuits.Call
    ) async throws(ZoomFailure) -> StreamedFile {
        try await attempt(request, for: purpose, queueDeadline: queueDeadline, policy: policy, &call) {
            token, permittedAt async throws(ZoomFailure) in
            try await openFile(request, token: token, permittedAt: permittedAt, for: purpose)
        }
    }

    private func attempt<Answer: Sendable>(
        _ request: ZoomRequest, for purpose: Purpose, queueDeadline: Moment?, policy: ZoomRetryPolicy,
        _ call: inout ZoomCircuits.Call,
        _ exchange: (_ token: Secret, _ permittedAt: Moment?) async throws(ZoomFailure) -> Answer
    ) async throws(ZoomFailure) -> Answer {
        let endpoint = request.endpoint
        let reservation = try await reserve(request)
        var isCounted = false
        defer { if let reservation { end(reservation, isCounted: isCounted) } }
        var newTokens = 0
        while true {
            call.began = time.now
            let admission = state.withLock { [call] state in state.circuits.enter(call, at: time.now) }
            if case .refused(let wait) = admission {
                metrics.countCall(.operation(endpoint.operation), .notSent)
                throw .unavailable(wait: wait)
            }
            do throws(ZoomFailure) {
                let permittedAt = try await acquirePermit(for: endpoint, purpose, queueDeadline)
                let token = try await tokens.current().text
                call.began = time.now
                isCounted = true
                do throws(ZoomFailure) {
                    let answer = try await exchange(token, permittedAt)
                    recordOutcome(nil, &call)
                    return answer
                } catch {
                    isCounted = !error.isUncounted
                    if error.isScopeMissing {
                        await tokens.refreshForMissingScope()
                        throw .scopesMissing(endpoint.scopes)
                    }
                    guard error.isTokenRefused else { throw error }
                    await tokens.invalidate(token)
                    guard policy.resendsWithNewToken(after: error), newTokens < Self.newTokensMax else { throw error }
                    // A refusal shows that Zoom answers: a half-open circuit admits the next attempt.
                    recordOutcome(error, &call)
                    newTokens += 1
                }
            } catch {
                // A request that was sent is counted already.
                if error.metricsOutcome == .notSent { metrics.countCall(.operation(endpoint.operation), .notSent) }
                recordOutcome(error, &call)
                throw error
            }
        }
    }

    /// Checks the scopes of the access token, then waits for a permit. The token comes first: a request with a permit must
    /// leave at once, and not wait until a token is there.
    ///
    /// - Returns: When the permit was given; `nil` without a rate limit.
    private func acquirePermit(
        for endpoint: ZoomEndpoint, _ purpose: Purpose, _ queueDeadline: Moment?
    ) async throws(ZoomFailure) -> Moment? {
        let token = try await tokens.current()
        guard token.scopes.map(endpoint.isPermitted(by:)) ?? true else {
            await tokens.refreshForMissingScope()
            throw .scopesMissing(endpoint.scopes)
        }
        let queued = queueDeadline.map { purpose.waiting(atMost: max($0 - time.now, .zero)) } ?? purpose
        return try await limiters[endpoint.rateLabel]?.acquirePermit(for: queued)
    }

    /// Checks whether a request would be sent now: the token has a scope for it, the circuit breaker admits it, and the rate
    /// limiter would give a permit within the queue timeout.
    ///
    /// - Throws: the failure with which the request would end.
    func checkPermit(for request: ZoomRequest, _ purpose: Purpose) async throws(ZoomFailure) {
        let endpoint = request.endpoint
        let token = try await tokens.current()
        guard token.scopes.map(endpoint.isPermitted(by:)) ?? true else { throw .scopesMissing(endpoint.scopes) }
        // A copy, since an admission changes the state.
        var circuits = state.withLock { $0.circuits }
        let call = ZoomCircuits.Call(request.path, began: time.now, isRepeated: purpose.isRetry)
        if case .refused(let wait) = circuits.enter(call, at: time.now) { throw .unavailable(wait: wait) }
        try limiters[endpoint.rateLabel]?.checkPermit(for: purpose)
    }

    // MARK: Quotas of accounts

    /// The right to send a request of an operation with a quota.
    private struct QuotaReservation {
        let own: AccountQuotas.Reservation

        /// `nil` if the quotas are not shared, or the store does not answer.
        let shared: SharedQuotaReservation?
    }

    /// Reserves a request of an operation with a quota, before it waits for a permit. A refusal costs no permit.
    ///
    /// - Returns: `nil` for an operation without a quota.
    /// - Throws: `quotaSpent`; `rateLimited` if Zoom has refused the account or operation.
    private func reserve(_ request: ZoomRequest) async throws(ZoomFailure) -> QuotaReservation? {
        let hasQuota = request.endpoint.operation.rules.quota != nil
        guard hasQuota || state.withLock({ $0.pauses.count > 0 }) else { return nil }
        let (now, timestamp) = (time.now, time.timestamp)
        let subject = request.quotaSubject
        let (pause, decision) = state.withLock { state in
            let pause = request.pausedSubjects.compactMap { state.pauses.wait(for: $0, at: now) }.max()
            return (pause, pause == nil ? state.quotas.reserve(subject, at: now, timestamp) : nil)
        }
        let wait: Duration
        switch (pause, decision) {
        case (let pause?, _): wait = pause
        case (nil, .refused(let time)?): wait = time
        case (nil, .granted(let reservation)?):
            switch await sharedQuotas?.reserve(subject) {
            case nil: return QuotaReservation(own: reservation, shared: nil)
            case .granted(let shared): return QuotaReservation(own: reservation, shared: shared)
            case .refused(let time):
                wait = time
                state.withLock { $0.quotas.refused(reservation, wait: time, at: self.time.now) }
            }
        case (nil, nil): return nil
        }
        metrics.countCall(.operation(request.endpoint.operation), .notSent)
        throw request.endpoint.operation.rules.quota == nil ? .rateLimited(wait: wait) : .quotaSpent(wait: wait)
    }

    private func end(_ reservation: QuotaReservation, isCounted: Bool) {
        let (now, timestamp) = (time.now, time.timestamp)
        state.withLock { state in
            if isCounted {
                state.quotas.sent(reservation.own, at: now, timestamp)
            } else {
                state.quotas.giveBack(reservation.own)
            }
        }
        if let shared = reservation.shared { sharedQuotas?.end(shared, isCounted: isCounted) }
    }

    // MARK: One exchange

    private func exchange(
        _ request: ZoomRequest, token: Secret, permittedAt: Moment?, for purpose: Purpose
    ) async throws(ZoomFailure) -> ZoomAnswer {
        let operation = request.endpoint.operation
        let span = startSpan(operation, for: purpose)
        defer { span?.end() }
        UpstreamCalls.current?.add()
        do throws(ZoomFailure) {
            let response = try await response(to: request, token: token, span)
            let answer = try read(response, to: request, permittedAt: permittedAt)
            metrics.countCall(.operation(operation), .ok)
            return answer
        } catch {
            metrics.countCall(.operation(operation), error.metricsOutcome)
            throw error
        }
    }

    private func startSpan(_ operation: Domain.Operation, for purpose: Purpose) -> TracedSpan? {
        // A bulk export of a million accounts would be a trace of a million spans.
        guard tracer.isRecording, purpose.priority.isCallerWaiting else { return nil }
        return tracer.startSpan(operation.title, ofKind: .client)
    }

    private func response(
        to request: ZoomRequest, token: Secret, _ span: TracedSpan?
    ) async throws(ZoomFailure) -> ClientResponse {
        let endpoint = request.endpoint
        var message = message(request, token: token, span)
        if let sending = request.sending { message = try await sending.prepare(message) }
        let response = try await observe(endpoint, http.origin, span, status: \.status) {
            [message] () async throws(HTTPFailure) in
            try await http.exchange(
                message, bodyBytesMax: configuration.answerBytesMax(of: endpoint), timeout: configuration.timeout)
        }
        request.sending?.record(response)
        return response
    }

    private func message(_ request: ZoomRequest, token: Secret, _ span: TracedSpan?) -> ClientRequest {
        var message = configuration.message(request, token: token)
        let context: InstrumentationContext? = span?.context ?? .current
        if let trace = context?.trace { message.append(trace) }
        return message
    }

    /// Records a request and its response in the metrics and the span.
    private func observe<Response>(
        _ endpoint: ZoomEndpoint, _ origin: Origin, _ span: TracedSpan?, status: (Response) -> Int,
        _ send: () async throws(HTTPFailure) -> Response
    ) async throws(ZoomFailure) -> Response {
        let began = NIODeadline.now()
        let result: Result<Response, HTTPFailure>
        do throws(HTTPFailure) {
            result = .success(try await send())
        } catch {
            result = .failure(error)
        }
        let status = result.map(status)
        metrics.recordExchange(
            endpoint.method.rawValue, endpoint.pathTemplate.description, origin, status,
            duration: NIODeadline.now() - began)
        span?.record(endpoint, origin, status)
        do throws(HTTPFailure) {
            return try result.get()
        } catch {
            throw .transport(error)
        }
    }

    private func recordRate(
        _ response: ClientResponse, to request: ZoomRequest, permittedAt: Moment?
    ) -> ZoomRateFields {
        let label = request.endpoint.rateLabel
        let rate = ZoomRateFields(response, to: request.endpoint, now: time.timestamp)
        if let permittedAt { limiters[label]?.record(rate, permittedAt: permittedAt) }
        return rate
    }

    private func read(
        _ response: ClientResponse, to request: ZoomRequest, permittedAt: Moment?
    ) throws(ZoomFailure) -> ZoomAnswer {
        let endpoint = request.endpoint
        let rate = recordRate(response, to: request, permittedAt: permittedAt)
        switch rate.refusal {
        case .perDay(let retryAfter)?:
            let now = time.timestamp
            let left = DailyQuota.end(of: now).secondsSinceEpoch - now.secondsSinceEpoch
            throw .dailyQuotaSpent(wait: retryAfter ?? .seconds(left))
        case .single(let limited, let wait)?:
            let now = time.now
            let subject = request.pausedSubject(limited)
            state.withLock { $0.pauses.pause(subject, until: now + wait, at: now) }
            guard endpoint.operation.rules.quota == nil else { throw .quotaSpent(wait: wait) }
            throw .api(status: 429, code: 429, message: "", retryAfter: wait)
        case .perSecond?, nil: break
        }
        return try ZoomAnswer(response, to: endpoint, now: time.timestamp)
    }

    // MARK: Files

    private func openFile(
        _ request: ZoomRequest, token: Secret, permittedAt: Moment?, for purpose: Purpose
    ) async throws(ZoomFailure) -> StreamedFile {
        let operation = request.endpoint.operation
        let span = startSpan(operation, for: purpose)
        let observation = FileObservation(operation, span, metrics)
        UpstreamCalls.current?.add()
        do throws(ZoomFailure) {
            let origin = configuration.url(of: request).origin
            let message = message(request, token: token, span)
            let response = try await response(to: message, of: request.endpoint, from: origin, span)
            guard [301, 302, 303, 307, 308].contains(response.status) else {
                return try await read(response, to: request, permittedAt: permittedAt, observation)
            }
            let head = ClientResponse(status: response.status, fields: response.fields, body: ByteBuffer())
            _ = recordRate(head, to: request, permittedAt: permittedAt)
            return try await redirected(response, from: origin, request.endpoint, observation)
        } catch {
            observation.ended(error.metricsOutcome)
            throw error
        }
    }

    private func response(
        to message: ClientRequest, of endpoint: ZoomEndpoint, from origin: Origin, _ span: TracedSpan?
    ) async throws(ZoomFailure) -> StreamedResponse {
        try await observe(endpoint, origin, span, status: \.status) { () async throws(HTTPFailure) in
            try await files.send(message, to: origin)
        }
    }

    /// Reads the beginning of a file. Any other answer is an error, and is read whole.
    private func read(
        _ response: StreamedResponse, to request: ZoomRequest, permittedAt: Moment?, _ observation: FileObservation
    ) async throws(ZoomFailure) -> StreamedFile {
        let (file, beginning) = try await file(in: response, of: request.endpoint, observation)
        if let file {
            let head = ClientResponse(status: response.status, fields: response.fields, body: ByteBuffer())
            _ = recordRate(head, to: request, permittedAt: permittedAt)
            return file
        }
        let whole: ClientResponse
        do throws(HTTPFailure) {
            whole = try await response.collect(after: beginning, bytesMax: request.endpoint.answerBytesMax)
        } catch {
            throw error == .tooLarge ? .unusableFile(.notPDF, location: nil) : .transport(error)
        }
        do throws(ZoomFailure) {
            _ = try read(whole, to: request, permittedAt: permittedAt)
        } catch {
            // With a successful status, Zoom's own errors are JSON. A page is not a file.
            if case .misaddressed(.page(200)) = error { throw .unusableFile(.notPDF, location: nil) }
            throw error
        }
        throw .unusableFile(.notPDF, location: nil)
    }

    /// Follows a redirect, without the access token.
    private func redirected(
        _ response: StreamedResponse, from base: Origin, _ endpoint: ZoomEndpoint, _ observation: FileObservation
    ) async throws(ZoomFailure) -> StreamedFile {
        let field = response.fields.string(.location) ?? ""
        response.body.cancel()
        let location = RedirectTarget.origin(of: field, from: base)
        let target: RedirectTarget
        do throws(BillingFailure.RedirectProblem) {
            target = try RedirectTarget(field, from: base, allowed: configuration.invoiceFiles.redirectHosts)
        } catch {
            throw .unusableFile(.redirectRefused(error), location: location)
        }
        var message = ClientRequest(
            method: endpoint.method.rawValue, scheme: target.origin.scheme.rawValue,
            authority: target.origin.authority, target: target.target)
        message.fields.append(.accept, "application/pdf")
        message.fields.append(.acceptEncoding, "identity")
        message.fields.append(.userAgent, ZoomConfiguration.userAgent)
        let redirected = try await self.response(to: message, of: endpoint, from: target.origin, observation.span)
        guard redirected.status == 200 else {
            let isRedirect = (300..<400).contains(redirected.status)
            throw .unusableFile(isRedirect ? .redirectRefused(.repeated) : .redirectFailed, location: location)
        }
        guard let file = try await file(in: redirected, of: endpoint, observation).file else {
            throw .unusableFile(.notPDF, location: location)
        }
        return file
    }

    /// The file in a response, if it begins as the endpoint requires, and the bytes that were read.
    private func file(
        in response: StreamedResponse, of endpoint: ZoomEndpoint, _ observation: FileObservation
    ) async throws(ZoomFailure) -> (file: StreamedFile?, beginning: ByteBuffer) {
        guard response.status == 200, case .file(let expected) = endpoint.answerBody else { return (nil, ByteBuffer()) }
        let coding = response.fields.string(.contentEncoding)?.lowercased() ?? ""
        guard ["", "identity"].contains(coding) else { throw .unusableFile(.compressed, location: nil) }
        var beginning = ByteBuffer()
        do throws(HTTPFailure) {
            while beginning.readableBytes < expected.utf8.count, let bytes = try await response.body.next() {
                beginning.writeImmutableBuffer(bytes)
            }
        } catch {
            throw .transport(error)
        }
        guard beginning.readableBytesView.starts(with: expected.utf8) else { return (nil, beginning) }
        let opened = OpenedFile(response.body, beginning: beginning, observation)
        let file = StreamedFile(
            byteCount: response.fields.string(.contentLength).flatMap { Int($0) },
            name: response.fields.string(.contentDisposition).flatMap { ContentDisposition.fileName(in: $0) },
            digests: response.fields.only([.etag, .reprDigest, .contentDigest, .digest], valueBytesMax: 512)
        ) { () async throws(HTTPFailure) in try await opened.next() }
        return (file, beginning)
    }

    private func recordOutcome(_ failure: ZoomFailure?, _ call: inout ZoomCircuits.Call) {
        let ended = state.withLock { [call] state in
            var call = call
            let wasClosed = state.circuits.isClosed
            state.circuits.ended(failure?.evidence ?? .answered, &call, at: time.now)
            return (call: call, wasClosed: wasClosed, isClosed: state.circuits.isClosed)
        }
        call = ended.call
        if ended.wasClosed, !ended.isClosed {
            logger.warning("circuit breaker opened: Zoom failed repeatedly, only probe requests are sent")
        } else if !ended.wasClosed, ended.isClosed {
            logger.info("circuit breaker closed: Zoom answers again")
        }
    }
}

extension ZoomRequest {
    fileprivate var quotaSubject: AccountQuotas.Subject {
        AccountQuotas.Subject(endpoint.operation, account: account, invoice: invoice)
    }

    /// What Zoom limits besides the rate of a label: the operation for the account or, with an invoice, for the invoice.
    fileprivate func pausedSubject(_ limited: AccountQuota.Subject) -> AccountQuotas.Subject {
        switch limited {
        case .account where account != nil || invoice == nil:
            AccountQuotas.Subject(endpoint.operation, account: account)
        case .account, .invoice: quotaSubject
        }
    }

    fileprivate var pausedSubjects: Set<AccountQuotas.Subject> { [pausedSubject(.account), pausedSubject(.invoice)] }
}

extension TracedSpan {
    /// Attributes of an HTTP client span (OpenTelemetry, semantic conventions for HTTP).
    ///
    /// - Parameter result: The status, or why there is none.
    fileprivate func record(_ endpoint: ZoomEndpoint, _ origin: Origin, _ result: Result<Int, HTTPFailure>) {
        guard isRecording else { return }
        attributes["http.request.method"] = endpoint.method.rawValue
        attributes["url.template"] = endpoint.pathTemplate.description
        attributes["server.address"] = origin.host
        switch result {
        case .success(let status):
            attributes["http.response.status_code"] = status
            if status >= 400 { setStatus(SpanStatus(code: .error)) }
        case .failure(let failure):
            attributes["error.type"] = failure.kind
            setStatus(SpanStatus(code: .error))
        }
    }
}
