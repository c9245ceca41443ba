import NIOCore

/// An exchange on a server: adds the task that produces the response, and the timeouts for the request.
final class ServerExchange: Exchange {
    /// The progress of the response.
    enum Response {
        case pending
        /// The head was submitted.
        case begun
        /// The response was completed; the rest of the request is discarded.
        case ended(at: NIODeadline)
    }

    /// `nil` once the stream is closed.
    @exclusivity(unchecked) private(set) var connection: (any Connection)?

    @exclusivity(unchecked) var response = Response.pending

    /// The request's `x-request-id`, copied when `fields` is released.
    var requestID: [UInt8]?

    /// The size of the field section (RFC 9113, 6.5.2).
    @exclusivity(unchecked) var headBytes = 0

    /// The task that produces the response.
    @exclusivity(unchecked) var task: Task<Void, Never>?

    /// Whether the request method is HEAD.
    @exclusivity(unchecked) var isHead = false

    /// Whether the request is not valid HTTP, so that the following bytes cannot be trusted.
    var isMalformed = false

    /// The maximum size of the request body.
    var bodyBytesMax = Int.max

    /// Whether the exchange waits for the next time slice of streams.
    var isEnqueued = false

    /// Whether the response was prepared. Then only the connection has a reference to the exchange.
    @exclusivity(unchecked) private(set) var isPrepared = false

    @exclusivity(unchecked) private var began: NIODeadline
    private var readProgress = Progress()

    init(id: Int32, connection: any Connection, began: NIODeadline) {
        self.connection = connection
        self.began = began
        super.init(id: id)
    }

    /// Begins the prepared response to a complete request. Returns whether it has a body.
    func beginPrepared(_ body: ByteBuffer) -> Bool {
        isPrepared = true
        input = .complete
        response = .begun
        return outbound.fill(with: body)
    }

    /// Makes an exchange with a prepared response ready for another request.
    func reuse(id: Int32, connection: any Connection, began: NIODeadline) {
        self.id = id
        self.connection = connection
        self.began = began
        isPrepared = false
        input = .open
        response = .pending
        reset()
    }

    /// Whether the head of the response was submitted.
    var hasResponded: Bool {
        switch response {
        case .pending: false
        case .begun, .ended: true
        }
    }

    var isResponseEnded: Bool {
        switch response {
        case .pending, .begun: false
        case .ended: true
        }
    }

    /// Whether to send `100 Continue` now; returns `true` at most once.
    func takeContinue() -> Bool {
        guard input == .awaitsContinue else { return false }
        input = .open
        return true
    }

    func takeFields() -> HeaderFields? {
        defer { fields = nil }
        return fields
    }

    /// The counters of this exchange's task, which may outlive its stream.
    private var countedBy: (load: ServerLoad, work: RunningWork)?

    /// Counts a new task. Returns `false` if the server is overloaded.
    func beginWork(_ load: ServerLoad, _ work: RunningWork, for peer: PeerInfo) -> Bool {
        guard load.requestBegan(from: peer.address) else { return false }
        work.began()
        countedBy = (load, work)
        return true
    }

    func endWork() {
        guard let (load, work) = countedBy else { return }
        countedBy = nil
        load.requestEnded()
        work.ended()
    }

    /// Records that the task of a streamed response has ended.
    func endWork(_ ending: StreamEnding) {
        endWork()
        switch ending {
        case .complete: endBody(.complete)
        case .broken:
            guard let connection else { return }
            let bound = NIOLoopBound(self, eventLoop: connection.executor.eventLoop)
            bound.eventLoop.scheduleTask(in: connection.limits.brokenBodyDelay) { bound.value.endBody(.broken) }
        }
    }

    /// Ends the outbound body.
    func endBody(_ ending: OutboundBody.Ending) {
        outbound.end(ending)
        connection?.outboundChanged(on: self)
    }

    /// Whether a reader waits for a body that does not arrive or arrives below the minimum rate.
    func isReadStalled(at now: NIODeadline, timeouts: Timeouts, limits: Limits) -> Bool {
        let isSilent = readProgress.isStalled(
            at: now, count: inbound.receivedBytes, isAwaited: inbound.isAwaited, bytesMin: 1,
            within: timeouts.bodySilence)
        guard inbound.isAwaited, !isSilent else { return isSilent }
        let age = now - began
        guard !isStreamed, age > timeouts.bodyRateGrace else { return false }
        let wanted = Double(limits.bodyBytesPerSecondMin) * Double(age.nanoseconds) / 1e9
        return Double(inbound.receivedBytes) < wanted
    }

    /// Whether a response that is not streamed exceeded `Timeouts.request`.
    func isOverdue(at now: NIODeadline, timeouts: Timeouts) -> Bool {
        task != nil && !isStreamed && !hasResponded && now - began > timeouts.request
    }

    /// Records that the stream is closed: resumes its waiters with the failure and cancels its task.
    func close(_ failure: HTTPFailure) {
        guard connection != nil else { return }
        connection = nil
        // A complete body may still be read. Without a task there are no waiters.
        if input != .complete { inbound.failed(failure)?.resume(returning: .failure(failure)) }
        guard let task else { return }
        self.task = nil
        task.cancel()
        outbound.close()?.resume(returning: false)
    }
}
