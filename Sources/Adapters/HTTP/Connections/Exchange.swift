import NIOCore

/// One request and its response, seen from either end.
///
/// Confined to the event loop of its connection, and owned by it from the request's beginning to its end. On HTTP/2 that
/// is until nghttp2 reports the stream closed (or the connection ends): nghttp2 holds an unretained pointer to it for
/// that time and no longer.
final class Exchange {
    /// The stream's identifier (RFC 9113, 5.1.1); 0 on HTTP/1.1.
    var id: Int32

    /// Where the connection keeps it.
    var slot = 0

    /// `nil` once the stream is closed.
    private(set) var connection: (any Connection)?

    /// The peer's field section once it has come; still `nil` then if it was larger than the limits allow, and again once a
    /// server has begun to answer.
    var fields: HeaderFields?

    /// The `x-request-id` of a request whose fields are no longer kept.
    var requestID: [UInt8]?

    /// The size of the field section (RFC 9113, 6.5.2), on a server.
    var headBytes = 0
    var inbound = InboundBody()
    var outbound = OutboundBody()

    /// The task that makes the answer, on a server.
    var task: Task<Void, Never>?

    /// Who waits for the answer, on a client.
    var call: ClientCall?

    /// Interim answers so far, on a client.
    var interimAnswers = 0

    /// Whether the request wants the fields of the answer alone, on a server.
    var isHead = false

    /// Whether the head of the answer has been made, on a server.
    var hasResponded = false

    /// The request breaks HTTP: what comes behind it may not be what it seems.
    var isMalformed = false

    /// When the answer was sent to its end, on a server that still waits for the end of the request.
    var answeredAt: NIODeadline?

    /// How large the peer's body may be, on a server.
    var bodyBytesMax = Int.max

    /// Whether the peer's message has ended, on a server.
    var isInboundOver = false

    /// Whether the frame that opens the stream has left, on a client.
    var wasSent = false

    /// Whether the peer sends its body only when it is told to (`Expect: 100-continue`), and was not yet.
    var isContinueDue = false

    /// Whether the answer is streamed, which gives its reader more time, and its body no least rate.
    var isBulk = false

    /// Whether more of the body is sent in the next slice of the loop's time that streams have.
    var isEnqueued = false

    private let began: NIODeadline
    private var writeProgress = Progress()
    private var readProgress = Progress()

    init(id: Int32, connection: any Connection, began: NIODeadline) {
        self.id = id
        self.connection = connection
        self.began = began
    }

    /// Whether the peer is to be told now to go on with its body; `true` once.
    func takeContinue() -> Bool {
        defer { isContinueDue = false }
        return isContinueDue && !isInboundOver
    }

    func takeFields() -> HeaderFields? {
        defer { fields = nil }
        return fields
    }

    /// What counts the task of this exchange, which may outlive its stream.
    private var countedBy: (load: ServerLoad?, work: RunningWork)?

    /// Counts a task; `false` if there is no room for one.
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

    /// Our body has all that there will be.
    func endBody(_ ending: OutboundBody.Ending) {
        outbound.end(ending)
        connection?.outboundChanged(on: self)
    }

    /// Bytes that wait to be read or sent.
    var bufferedBytes: Int { inbound.uncreditedBytes + outbound.readyBytes }

    /// Whether what we send waits for a peer that takes next to nothing of it.
    func isWriteStalled(at now: NIODeadline, timeouts: Timeouts, limits: Limits) -> Bool {
        writeProgress.isStalled(
            at: now, count: outbound.takenBytes, isAwaited: outbound.readyBytes > 0,
            bytesMin: limits.writeProgressBytesMin,
            within: writeProgressMax(timeouts))
    }

    /// How long our body may wait for a peer that takes next to nothing of it.
    func writeProgressMax(_ timeouts: Timeouts) -> TimeAmount {
        isBulk ? timeouts.writeProgressBulk : timeouts.writeProgress
    }

    /// Whether somebody waits for a body that does not come, or comes too slowly to be honest.
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

    /// Whether the answer, which is not a stream, has been in the making for too long.
    func isOverdue(at now: NIODeadline, timeouts: Timeouts) -> Bool {
        task != nil && !isBulk && !hasResponded && now - began > timeouts.request
    }

    /// The stream is gone: whoever waits for something of it hears so, and its work is cancelled.
    func close(_ failure: HTTPFailure) {
        guard connection != nil else { return }
        connection = nil
        // What came whole may still be read; and without a task nobody waits for anything.
        if !isInboundOver { inbound.failed(failure)?.resume(returning: .failure(failure)) }
        guard let task else { return }
        self.task = nil
        task.cancel()
        outbound.close()?.resume(returning: false)
    }
}
