import Domain
import Instrumentation
import NIOCore
import Tracing

/// Sees requests to their end: counts and times them, makes their spans, and leaves their lines in the log.
struct RequestObserver: Sendable {
    let metrics: RequestMetrics
    let accessLog: AccessLog
    let tracer: ServiceTracer

    /// Whose answer takes longer has been answered already, by the connection.
    let answerTimeMax: TimeAmount

    /// A request that is being answered.
    struct Observation: Sendable {
        let began: NIODeadline
        let requestID: RequestID
        let peer: PeerInfo

        /// Where its work stands in a trace, and its span if that is recorded.
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

    /// Runs what decides on the answer, where spans that it makes belong.
    func inContext<Result>(of observation: inout Observation, _ body: (inout RequestNote) -> Result) -> Result {
        guard let context = observation.context else { return body(&observation.note) }
        return InstrumentationContext.withValue(context) { body(&observation.note) }
    }

    /// - Parameter client: Whom the request is from; asked for only where it is needed.
    func observed(
        _ reply: Reply, to request: HTTPRequest, _ observation: Observation, client: (HTTPRequest) -> SocketAddress?
    ) -> Reply {
        switch reply {
        case .now(let response):
            let status = response.status
            let time = finish(observation, status)
            if accessLog.takes(observation.requestID, status: status) {
                let work = Work(self, observation, request, client(request), context(of: request, observation))
                accessLog.note(work.line(status, time, bytes: response.body.readableBytes))
            }
            return reply
        case .abandoned: return reply
        case .eventually(let make):
            // Taken out now, so that the request's fields are not kept for as long as the work goes on.
            let work = Work(self, observation, request, client(request), context(of: request, observation))
            return .eventually {
                await work.run {
                    let response = await make()
                    return (response, response.status, response.body.readableBytes)
                }
            }
        case .stream(let head, let write):
            let work = Work(self, observation, request, client(request), context(of: request, observation))
            let status = head.status
            // The head is all there is of it.
            if observation.note.method == .head { work.end(status: status, bytes: 0) }
            return .stream(head) { body in
                await work.run {
                    let ending = await write(body)
                    return (ending, status, body.takenBytes)
                }
            }
        }
    }

    /// The connection refused a request before anybody looked at it. One whose answer took too long was looked at, and is
    /// seen to its end like others.
    func refused(_ refusal: Refusal, _ peer: PeerInfo) {
        guard refusal != .answerTimedOut else { return }
        metrics.ended(RequestNote(), status: refusal.status, peer.applicationProtocol, after: .zero)
    }

    private func context(of request: HTTPRequest, _ observation: Observation) -> InstrumentationContext? {
        if let context = observation.context { return context }
        guard let trace = request.trace else { return nil }
        var context = InstrumentationContext.topLevel
        context.trace = trace
        return context
    }

    @discardableResult
    fileprivate func finish(_ observation: Observation, _ status: Int) -> TimeAmount {
        let time = NIODeadline.now() - observation.began
        let note = observation.note
        metrics.ended(note, status: status, observation.peer.applicationProtocol, after: time)
        if let span = observation.span { Self.end(span, note, status, observation.peer) }
        return time
    }

    private static func end(_ span: TracedSpan, _ note: RequestNote, _ status: Int, _ peer: PeerInfo) {
        if span.isRecording {
            span.operationName = note.route == .none ? note.method.name : "\(note.method.name) \(note.route.template)"
            span.updateAttributes { attributes in
                attributes["http.request.method"] = note.method.name
                attributes["http.route"] = note.route.template
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

    /// What is left to be said of a request when its answer is there.
    private struct Work: Sendable {
        private let observer: RequestObserver
        private let observation: Observation
        private let method: String
        private let client: SocketAddress?
        private let context: InstrumentationContext?
        private let calls = UpstreamCalls()

        init(
            _ observer: RequestObserver, _ observation: Observation, _ request: HTTPRequest, _ client: SocketAddress?,
            _ context: InstrumentationContext?
        ) {
            self.observer = observer
            self.observation = observation
            let known = observation.note.method
            method = known == .other ? String(decoding: request.method, as: UTF8.self) : known.name
            self.client = client
            self.context = context
        }

        func run<Answer: Sendable>(
            _ make: @Sendable () async -> (Answer, status: Int, bytes: Int)
        ) async -> Answer {
            let (answer, status, bytes) = await UpstreamCalls.$current.withValue(calls) {
                guard let context else { return await make() }
                return await InstrumentationContext.withValue(context) { await make() }
            }
            if Task.isCancelled {
                // It took too long, and was answered by the connection; or nobody is there any more.
                let isLate = NIODeadline.now() - observation.began >= observer.answerTimeMax
                end(status: isLate ? Refusal.answerTimedOut.status : RequestObserver.goneStatus, bytes: bytes)
            } else {
                end(status: status, bytes: bytes)
            }
            return answer
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

    /// For requests whose peer has gone: no status that is sent, but known to whoever reads logs of HTTP servers.
    private static let goneStatus = 499
}
