import Domain
import NIOCore
import Synchronization

/// The fast path for lookups: reads without parameters whose answers are cached. See `FastPath` for its place beside the
/// general way, which is `Router`, `CallerAdmission` and `AccountReadHandler` here.
///
/// It answers only what these would answer with 200 or 304 from the cache. Rights, expiry, rates, metrics and log lines are
/// theirs.
final class LookupFastPath: FastPath {
    private let routes: PlainRoutes
    private let admission: CallerAdmission
    private let readAccount: ReadAccount
    private let observer: RequestObserver
    private let time: any TimeSource

    /// The series of the metrics for each route, method, status and protocol version, at `place`.
    private let series: [RequestMetrics.Series?]

    /// The callers by their names. Connections that show the same credential share one: it has some 400 bytes.
    private let remembered = Mutex<[Name: RememberedCaller]>([:])
    private static let rememberedMax = 1000

    init(
        _ routes: PlainRoutes, _ admission: CallerAdmission, _ readAccount: ReadAccount, _ observer: RequestObserver,
        time: any TimeSource
    ) {
        self.routes = routes
        self.admission = admission
        self.readAccount = readAccount
        self.observer = observer
        self.time = time
        series = routes.labels.flatMap { label in
            [RequestMethod.get, .head].flatMap { method in
                [PreparedResponse.Status.ok, .notModified].flatMap { status in
                    [ApplicationProtocol.http1, .http2].map {
                        observer.metrics.series(label, method, status: status.code, $0)
                    }
                }
            }
        }
    }

    /// The place of a series in `series`.
    private static func place(
        _ route: Int, isHead: Bool, _ status: PreparedResponse.Status, _ applicationProtocol: ApplicationProtocol
    ) -> Int {
        route << 3 | (isHead ? 4 : 0) | (status == .notModified ? 2 : 0) | (applicationProtocol == .http2 ? 1 : 0)
    }

    func response(to request: borrowing PlainRequest, _ memory: inout ConnectionMemory?) -> PreparedResponse? {
        // Spans need the request's objects.
        guard !observer.tracer.isRecording else { return nil }
        guard let condition = PlainCondition(of: request), let caller = caller(of: request, &memory) else { return nil }
        let now = time.now
        guard !caller.hasRate || admission.mayAsk(caller.caller) else { return nil }
        let found = request.withValue(.path) { path in
            routes.match(path) { route, account in
                readAccount.prepared(route.operation, of: account, for: caller, maxAge: condition.maxAge, at: now).map {
                    (entry: $0, label: route.label, route: route.index)
                }
            }
        }
        guard let found, case let answer = found.entry.billing, let fields = answer.prepared else {
            if caller.hasRate { admission.refund(caller.caller) }
            return nil
        }
        let status: PreparedResponse.Status = condition.isMet(by: answer, request) ? .notModified : .ok
        let requestID = RequestID(of: request)
        let isHead = request.isHead
        let place = Self.place(found.route, isHead: isHead, status, request.peer.applicationProtocol)
        observer.answered(
            request, requestID, in: series[place], status: status.code,
            bytes: status == .ok ? answer.body.readableBytes : 0
        ) {
            RequestNote(route: found.label, method: isHead ? .head : .get, caller: caller.name, cache: .fresh)
        }
        return PreparedResponse(
            status, fields, BillingAnswer.sentFields(status), age: found.entry.age(at: now).wholeSeconds,
            requestID: requestID, body: status == .ok && !request.isHead ? answer.body : ByteBuffer())
    }

    /// The caller of a request, remembered from the last request of the connection if nothing has changed.
    private func caller(of request: borrowing PlainRequest, _ memory: inout ConnectionMemory?) -> PreparedCaller? {
        let version = admission.version
        if let known = memory as? RememberedCaller, known.version == version,
            request.hasValue(.authorization, equalTo: known.authorization),
            known.expires.map({ time.timestamp < $0 }) ?? true
        {
            return known.caller
        }
        guard let standing = admission.standing(of: request) else { return nil }
        let known = remembered(standing, request, version: version)
        memory = known
        return known.caller
    }

    private func remembered(
        _ standing: CallerStanding, _ request: borrowing PlainRequest, version: Int
    ) -> RememberedCaller {
        let name = standing.caller.name
        if let known = remembered.withLock({ $0[name] }), known.version == version, known.expires == standing.expires,
            request.hasValue(.authorization, equalTo: known.authorization)
        {
            return known
        }
        let known = RememberedCaller(standing, authorization: request.value(.authorization), version: version)
        remembered.withLock { remembered in
            // Otherwise callers that do not exist any more would stay.
            if remembered.count >= Self.rememberedMax { remembered.removeAll() }
            remembered[name] = known
        }
        return known
    }
}

/// The caller of the last request of a connection. Connections share it.
///
/// Safe because it is never changed.
private final class RememberedCaller: ConnectionMemory, @unchecked Sendable {
    /// The value of `Authorization`; empty for a caller with a client certificate.
    let authorization: [UInt8]

    let caller: PreparedCaller
    let expires: Timestamp?

    /// The version of the directory that was read before the caller was looked up.
    let version: Int

    init(_ standing: CallerStanding, authorization: [UInt8], version: Int) {
        self.authorization = authorization
        caller = PreparedCaller(standing.caller)
        expires = standing.expires
        self.version = version
    }
}

/// The conditions of a plain request: at most a maximum age and one entity tag.
private struct PlainCondition {
    let maxAge: Duration?
    private let hasTag: Bool

    /// `nil` for conditions in any other form.
    init?(of request: borrowing PlainRequest) {
        if request.has(.cacheControl) {
            guard let seconds = request.withValue(.cacheControl, Self.maxAge) else { return nil }
            maxAge = .seconds(seconds)
        } else {
            maxAge = nil
        }
        hasTag = request.has(.ifNoneMatch)
        guard !hasTag || request.withValue(.ifNoneMatch, Self.isOneTag) else { return nil }
    }

    func isMet(by answer: BillingAnswer, _ request: borrowing PlainRequest) -> Bool {
        hasTag && request.hasValue(.ifNoneMatch, equalTo: answer.etag)
    }

    /// The seconds of `max-age=SECONDS`, with at most nine digits.
    private static func maxAge(_ value: Span<UInt8>) -> Int? {
        let name = Array("max-age=".utf8)
        guard value.count > name.count, value.count <= name.count + 9 else { return nil }
        var seconds = 0
        for index in value.indices {
            guard index >= name.count else {
                if value[index] != name[index] { return nil }
                continue
            }
            guard value[index].isASCIIDigit else { return nil }
            seconds = seconds * 10 + Int(value[index] - UInt8(ascii: "0"))
        }
        return seconds
    }

    /// Whether it is one strong entity tag (RFC 9110, 8.8.3).
    private static func isOneTag(_ value: Span<UInt8>) -> Bool {
        let quote = UInt8(ascii: "\"")
        guard value.count >= 2, value[0] == quote, value[value.count - 1] == quote else { return false }
        for index in 1..<value.count - 1 where value[index] == quote { return false }
        return true
    }
}

extension Duration {
    /// The whole seconds of a duration that is not negative.
    ///
    /// `components` divides 128 bits by 128 bits, which takes 180 instructions.
    fileprivate var wholeSeconds: Int {
        let (high, low) = (UInt64(truncatingIfNeeded: attoseconds >> 64), UInt64(truncatingIfNeeded: attoseconds))
        return Int((1_000_000_000_000_000_000 as UInt64).dividingFullWidth((high, low)).quotient)
    }
}

extension RequestID {
    init(of request: borrowing PlainRequest) {
        self.init(sent: request.has(.requestID) ? request.value(.requestID)[...] : nil)
    }
}

extension PlainRequest {
    /// The trace context that the request carries. A plain request has no `tracestate`.
    var trace: TraceContext? {
        has(.traceparent) ? TraceContext(traceparent: value(.traceparent), tracestate: nil) : nil
    }
}
