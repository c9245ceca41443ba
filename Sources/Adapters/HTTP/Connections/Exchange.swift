import NIOCore

/// One request and its response, on a server or a client.
///
/// Confined to the event loop of its connection, which owns it for the duration of the exchange. On HTTP/2 the exchange
/// ends when nghttp2 reports the stream closed or the connection ends; until then nghttp2 holds an unretained pointer to
/// it.
final class Exchange {
    /// The stream's identifier (RFC 9113, 5.1.1); 0 on HTTP/1.1.
    var id: Int32

    /// The index in the connection's table of streams.
    var slot = 0

    /// `nil` once the stream is closed.
    private(set) var connection: (any Connection)?

    /// The peer's field section; `nil` before it arrives, if it exceeds the limits, and on a server after the request was
    /// dispatched.
    var fields: HeaderFields?

    /// The request's `x-request-id`, copied when `fields` is released.
    var requestID: [UInt8]?

    /// The size of the field section (RFC 9113, 6.5.2), on a server.
    var headBytes = 0
    var inbound = InboundBody()
    var outbound = OutboundBody()

    /// The task that produces the response, on a server.
    var task: Task<Void, Never>?

    /// The call that waits for the response, on a client.
    var call: ClientCall?

    /// The number of interim responses received, on a client.
    var interimAnswers = 0

    /// Whether the request method is HEAD, on a server.
    var isHead = false

    /// Whether the head of the response was submitted, on a server.
    var hasResponded = false

    /// Whether the request is not valid HTTP, so that the following bytes cannot be trusted.
    var isMalformed = false

    /// When the response was completed before the end of the request, on a server.
    var answeredAt: NIODeadline?

    /// The maximum size of the request body, on a server.
    var bodyBytesMax = Int.max

    /// Whether the request was received completely, on a server.
    var isInboundOver = false

    /// Whether the HEADERS frame was sent, on a client.
    var wasSent = false

    /// Whether the peer waits for `100 Continue` before it sends its body (`Expect: 100-continue`).
    var isContinueDue = false

    /// Whether the response is streamed: longer write timeouts apply, and no minimum rate for the request body.
    var isBulk = false

    /// Whether the exchange waits for the next time slice of streams.
    var isEnqueued = false

    private let began: NIODeadline
    private var writeProgress = Progress()
    private var readProgress = Progress()

    init(id: Int32, connection: any Connection, began: NIODeadline) {
        self.id = id
        self.connection = connection
        self.began = began
    }

    /// Whether to send `100 Continue` now; returns `true` at most once.
    func takeContinue() -> Bool {
        defer { isContinueDue = false }
        return isContinueDue && !isInboundOver
    }

    func takeFields() -> HeaderFields? {
        defer { fields = nil }
        return fields
    }

    /// The counters of this exchange's task, which may outlive its stream.
    private var countedBy: (load: ServerLoad?, work: RunningWork)?

    /// Counts a new task. Returns `false` if the server is overloaded.
    func beginWork(_ load: ServerLoad?, _ work: RunningWork, for peer: PeerInfo) -> Bool {
        guard load?.requestBegan(from: peer.address) ?? true else { return false }
        work.began()
        countedBy = (load, work)
        return true
    }

    func endWork() {
        guard let (load, work) = countedBy else { return }
        countedBy = nil
        load?.requestEnded()
        work.ended()
    }

    /// Ends the outbound body.
    func endBody(_ ending: OutboundBody.Ending) {
        outbound.end(ending)
        connection?.outboundChanged(on: self)
    }

    /// Buffered bytes that were not read or sent yet.
    var bufferedBytes: Int { inbound.uncreditedBytes + outbound.readyBytes }

    /// Whether the peer reads our body too slowly.
    func isWriteStalled(at now: NIODeadline, timeouts: Timeouts, limits: Limits) -> Bool {
        writeProgress.isStalled(
            at: now, count: outbound.takenBytes, isAwaited: outbound.readyBytes > 0,
            bytesMin: limits.writeProgressBytesMin,
            within: writeProgressMax(timeouts))
    }

    /// The period in which the peer must read `Limits.writeProgressBytesMin` bytes.
    func writeProgressMax(_ timeouts: Timeouts) -> TimeAmount {
        isBulk ? timeouts.writeProgressBulk : timeouts.writeProgress
    }

    /// Whether a reader waits for a body that does not arrive or arrives below the minimum rate.
    func isReadStalled(at now: NIODeadline, timeouts: Timeouts, limits: Limits) -> Bool {
        let isSilent = readProgress.isStalled(
            at: now, count: inbound.receivedBytes, isAwaited: inbound.isAwaited, bytesMin: 1,
            within: timeouts.bodySilence)
        guard inbound.isAwaited, !isSilent else { return isSilent }
        let age = now - began
        guard !isBulk, age > timeouts.bodyRateGrace else { return false }
        let wanted = Double(limits.bodyBytesPerSecondMin) * Double(age.nanoseconds) / 1e9
        return Double(inbound.receivedBytes) < wanted
    }

    /// Whether a response that is not streamed exceeded `Timeouts.request`.
    func isOverdue(at now: NIODeadline, timeouts: Timeouts) -> Bool {
        task != nil && !isBulk && !hasResponded && now - began > timeouts.request
    }

    /// Records that the stream is closed: resumes its waiters with the failure and cancels its task.
    func close(_ failure: HTTPFailure) {
        guard connection != nil else { return }
        connection = nil
        // A complete body may still be read. Without a task there are no waiters.
        if !isInboundOver { inbound.failed(failure)?.resume(returning: .failure(failure)) }
        guard let task else { return }
        self.task = nil
        task.cancel()
        outbound.close()?.resume(returning: false)
    }
}
