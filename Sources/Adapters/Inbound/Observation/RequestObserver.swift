import Domain
import Instrumentation
import NIOCore
import Tracing

/// Counts and times requests, makes their spans, and writes their lines of the access log.
struct RequestObserver: Sendable {
    let metrics: RequestMetrics
    let accessLog: AccessLog
    let failures: RecentFailures
    let tracer: ServiceTracer
    let clientAddress: ClientAddress

    /// After this time the connection has answered 504 by itself.
    let answerTimeMax: TimeAmount

    /// A request whose answer is not complete.
    struct Observation: Sendable {
        let began: NIODeadline
        let requestID: RequestID
        let peer: PeerInfo

        /// The context of the request's span, and the span; `nil` if no spans are recorded.
        let context: InstrumentationContext?
        let span: TracedSpan?
        var note = RequestNote()
    }

    func begin(_ request: HTTPRequest, _ requestID: RequestID) -> Observation {
        let began = NIODeadline.now()
        guard tracer.isRecording else {
            return Observation(began: began, requestID: requestID, peer: request.peer, context: nil, span: nil)
        }
        var context = InstrumentationContext.topLevel
        context.trace = request.trace
        let span = tracer.startSpan("request", context: context, ofKind: .server)
        return Observation(
            began: began, requestID: requestID, peer: request.peer, context: span.context, span: span)
    }

    /// Returns `reply` such that its end is observed.
    func observe(_ reply: Reply, to request: HTTPRequest, _ observation: Observation) -> Reply {
        switch reply {
        case .now(let response):
            let status = response.status
            let time = finish(observation, status)
            if accessLog.takes(observation.requestID, status: status) {
                accessLog.note(
                    Work(self, observation, request).line(status, time, bytes: response.body.readableBytes))
            }
            return reply
        case .abandoned: return reply
        case .eventually(let make):
            // Made here, so that the work does not keep the request's fields in memory.
            let work = Work(self, observation, request)
            return .eventually {
                await work.run {
                    let response = await make()
                    return (response, response.status, response.body.readableBytes)
                }
            }
        case .eventuallyStreamed(let make):
            let work = Work(self, observation, request)
            let isHead = observation.note.method == .head
            return .eventuallyStreamed {
                switch await work.inContext(make) {
                case .whole(let response):
                    work.end(after: response.status, bytes: response.body.readableBytes)
                    return .whole(response)
                case .stream(let head, let write):
                    let status = head.status
                    if isHead { work.end(status: status, bytes: 0) }
                    return .stream(head) { await work.stream(status, write, to: $0) }
                }
            }
        case .stream(let head, let write):
            let work = Work(self, observation, request)
            let status = head.status
            // A response to HEAD has no body.
            if observation.note.method == .head { work.end(status: status, bytes: 0) }
            return .stream(head) { await work.stream(status, write, to: $0) }
        }
    }

    /// Observes a request that the fast path has answered from the cache. `begin` is not called for it.
    ///
    /// - Parameters:
    ///   - series: The requests with the same labels.
    ///   - bytes: The size of the body, also if the request is a HEAD.
    ///   - note: Called if the request is logged.
    func answered(
        _ request: borrowing PlainRequest, _ requestID: RequestID, in series: RequestMetrics.Series?,
        status: Int, bytes: Int, note: () -> RequestNote
    ) {
        let time = NIODeadline.now() - request.arrived
        series?.ended(after: time)
        guard accessLog.takes(requestID, status: status) else { return }
        let note = note()
        accessLog.note(
            AccessLog.Line(
                requestID: requestID, note: note, method: note.method.name, client: clientAddress(of: request),
                version: request.peer.applicationProtocol.version, trace: request.trace, status: status,
                duration: time, bytes: bytes, upstreamCalls: 0))
    }

    /// Counts a request that the connection refused before it reached the router. A request whose answer took too long has
    /// reached it and is observed to its end.
    func refused(_ refusal: Refusal, _ peer: PeerInfo) {
        guard refusal != .answerTimedOut else { return }
        metrics.ended(RequestNote(), status: refusal.status, peer.applicationProtocol, after: .zero)
    }

    @discardableResult
    fileprivate func finish(_ observation: Observation, _ status: Int) -> TimeAmount {
        let time = NIODeadline.now() - observation.began
        let note = observation.note
        metrics.ended(note, status: status, observation.peer.applicationProtocol, after: time)
        if RecentFailures.isFailure(status: status) {
            failures.add(observation.requestID, note, status: status, after: time)
        }
        if let span = observation.span { Self.end(span, note, status, observation.peer) }
        return time
    }

    private static func end(_ span: TracedSpan, _ note: RequestNote, _ status: Int, _ peer: PeerInfo) {
        if span.isRecording {
            let isRouted = note.route.index != RouteLabel.none.index
            span.operationName = isRouted ? "\(note.method.name) \(note.route.template)" : note.method.name
            span.updateAttributes { attributes in
                attributes["http.request.method"] = note.method.name
                attributes["http.route"] = "\(note.route.template)"
                attributes["http.response.status_code"] = status
                attributes["network.protocol.version"] = peer.applicationProtocol.version
                attributes["url.scheme"] = peer.isEncrypted ? "https" : "http"
                if let caller = note.caller { attributes["enduser.id"] = caller.rawValue }
                if let cache = note.cache { attributes["billing.cache"] = cache.rawValue }
            }
            if status >= 500 { span.setStatus(SpanStatus(code: .error)) }
        }
        span.end()
    }

    /// An answer that is made by a task, and what its line of the access log needs.
    private struct Work: Sendable {
        private let observer: RequestObserver
        private let observation: Observation
        private let method: String
        private let client: SocketAddress?
        private let context: InstrumentationContext?
        private let calls = UpstreamCalls()

        init(_ observer: RequestObserver, _ observation: Observation, _ request: HTTPRequest) {
            self.observer = observer
            self.observation = observation
            let known = observation.note.method
            method = known == .unknown ? String(decoding: request.method, as: UTF8.self) : known.name
            client = observer.clientAddress(of: request)
            context = observation.context ?? Self.context(of: request)
        }

        /// The caller's trace context, which is passed on to Zoom though no spans are recorded.
        private static func context(of request: HTTPRequest) -> InstrumentationContext? {
            guard let trace = request.trace else { return nil }
            var context = InstrumentationContext.topLevel
            context.trace = trace
            return context
        }

        func run<Answer: Sendable>(
            _ make: @Sendable () async -> (Answer, status: Int, bytes: Int)
        ) async -> Answer {
            let (answer, status, bytes) = await inContext(make)
            end(after: status, bytes: bytes)
            return answer
        }

        /// Runs the work of a streamed body.
        func stream(
            _ status: Int, _ write: @Sendable (BodyWriter) async -> StreamEnding, to body: BodyWriter
        ) async -> StreamEnding {
            await run {
                let ending = await write(body)
                if case .broken = ending, !Task.isCancelled {
                    observer.failures.add(
                        observation.requestID, observation.note, status: status,
                        after: NIODeadline.now() - observation.began)
                }
                return (ending, status, body.sentBytes)
            }
        }

        /// Runs a part of the work.
        func inContext<Answer: Sendable>(_ make: @Sendable () async -> Answer) async -> Answer {
            await UpstreamCalls.$current.withValue(calls) {
                guard let context else { return await make() }
                return await InstrumentationContext.withValue(context) { await make() }
            }
        }

        /// - Parameter status: The status of the answer that was made. A cancelled request was not answered with it.
        func end(after status: Int, bytes: Int) {
            guard Task.isCancelled else { return end(status: status, bytes: bytes) }
            // The connection answered 504 after `answerTimeMax`, or the client went away.
            let isLate = NIODeadline.now() - observation.began >= observer.answerTimeMax
            end(status: isLate ? Refusal.answerTimedOut.status : RequestObserver.goneStatus, bytes: bytes)
        }

        func end(status: Int, bytes: Int) {
            let time = observer.finish(observation, status)
            guard observer.accessLog.takes(observation.requestID, status: status) else { return }
            observer.accessLog.note(line(status, time, bytes: bytes))
        }

        func line(_ status: Int, _ time: TimeAmount, bytes: Int) -> AccessLog.Line {
            AccessLog.Line(
                requestID: observation.requestID, note: observation.note, method: method, client: client,
                version: observation.peer.applicationProtocol.version, trace: context?.trace, status: status,
                duration: time, bytes: bytes, upstreamCalls: calls.total)
        }
    }

    /// The status that nginx logs for a client that went away. It is never sent.
    private static let goneStatus = 499
}
