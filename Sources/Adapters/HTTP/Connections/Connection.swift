import NIOCore

/// One connection, of HTTP/1.1 or HTTP/2, as its exchanges see it. Confined to its event loop.
protocol Connection: AnyObject {
    var limits: Limits { get }

    /// The executor for the tasks of its exchanges.
    var executor: EventLoopExecutor { get }

    /// Who is at the other end.
    var peer: PeerInfo { get }

    /// What the connections of a server hold together; `nil` on a client.
    var load: ServerLoad? { get }

    var work: RunningWork { get }

    /// Divides the time of the event loop between streamed bodies and everything else.
    var scheduler: StreamScheduler { get }

    /// Our body has bytes, or an end, that wait to be sent.
    func outboundChanged(on exchange: Exchange)

    /// Bytes of the peer's body were read.
    func inboundRead(_ count: Int, on exchange: Exchange)

    /// Somebody waits for the peer's body.
    func inboundAwaited(on exchange: Exchange)

    /// Sends a whole answer.
    func respond(_ response: HTTPResponse, on exchange: Exchange)

    /// Whether the version of HTTP that the request came in can carry a response of unknown length.
    func carriesStreams(to exchange: Exchange) -> Bool

    /// Sends the head of a streamed response.
    func beginStream(_ head: HTTPResponse, on exchange: Exchange)

    /// Ends an exchange without an answer.
    func abandon(_ exchange: Exchange, by abandonment: Abandonment)
}

extension Connection {
    /// Adds to a streamed body. `false`: its producer has to wait, for the peer or for the next slice of the loop's time,
    /// and nothing was added.
    func append(_ bytes: ByteBuffer, to exchange: Exchange) -> Bool {
        guard exchange.outbound.readyBytes < limits.streamWriteBytesMax, scheduler.mayContinue() else { return false }
        exchange.outbound.append(bytes)
        outboundChanged(on: exchange)
        return true
    }

    /// Adds to a streamed body, and resumes the producer when it may go on.
    func append(_ bytes: ByteBuffer, to exchange: Exchange, then producer: CheckedContinuation<Bool, Never>) {
        guard exchange.outbound.readyBytes < limits.streamWriteBytesMax else {
            exchange.outbound.hold(OutboundBody.Waiter(producer), with: bytes)
            return
        }
        exchange.outbound.append(bytes)
        outboundChanged(on: exchange)
        scheduler.run { producer.resume(returning: true) }
    }

    /// Resumes a producer whose bytes have left.
    func resume(_ producer: OutboundBody.Waiter?) {
        guard let producer else { return }
        scheduler.run { producer.resume(returning: true) }
    }

    /// Has `handler` answer the request of an exchange.
    func dispatch(_ exchange: Exchange, to handler: any RequestHandler) {
        // Not kept beyond this: a handler takes what it needs of them.
        guard let fields = exchange.takeFields() else {
            refuse(.excessiveHead, exchange, handler)
            return
        }
        let bound = NIOLoopBound(exchange, eventLoop: executor.eventLoop)
        let request: HTTPRequest
        do throws(Refusal) {
            request = try HTTPRequest(
                fields: fields, body: BodyReader(bound), peer: peer, targetBytesMax: limits.pathBytesMax)
        } catch {
            // Of two ids neither is the request's.
            if error != .repeatedField(.requestID) { exchange.requestID = fields[.requestID].map(Array.init) }
            exchange.isMalformed = error == .malformed
            refuse(error, exchange, handler)
            return
        }
        exchange.isContinueDue = request.awaitsContinue && !exchange.isInboundOver
        let reply = handler.reply(to: request)
        if case .now(let response) = reply {
            respond(response, on: exchange)
            return
        }
        exchange.requestID = fields[.requestID].map(Array.init)
        switch reply {
        case .now: break
        case .eventually(let makeResponse):
            exchange.bodyBytesMax = limits.bodyBytesMax
            guard request.contentLength <= limits.bodyBytesMax else {
                refuseBody(of: exchange, handler)
                return
            }
            guard beginWork(on: exchange, handler) else { return }
            exchange.task = Task.immediate(executorPreference: executor) {
                let response = await makeResponse()
                bound.eventLoop.runInLoop {
                    bound.value.endWork()
                    bound.value.connection?.respond(response, on: bound.value)
                }
            }
        case .abandoned(let decide):
            guard beginWork(on: exchange, handler) else { return }
            exchange.task = Task.immediate(executorPreference: executor) {
                let abandonment = await decide()
                bound.eventLoop.runInLoop {
                    bound.value.endWork()
                    bound.value.connection?.abandon(bound.value, by: abandonment)
                }
            }
        case .stream where !carriesStreams(to: exchange):
            refuse(.upgradeRequired, exchange, handler)
        case .stream(let head, _) where exchange.isHead:
            respond(head, on: exchange)
        case .stream(let head, let writeBody):
            exchange.isBulk = true
            guard beginWork(on: exchange, handler) else { return }
            beginStream(head, on: exchange)
            exchange.task = Task.immediate(executorPreference: executor) {
                let ending = await writeBody(BodyWriter(bound))
                bound.eventLoop.runInLoop {
                    bound.value.endWork()
                    switch ending {
                    case .complete: bound.value.endBody(.complete)
                    case .broken:
                        let wait = bound.value.connection?.limits.lastWordsWait ?? .zero
                        bound.eventLoop.scheduleTask(in: wait) { bound.value.endBody(.broken) }
                    }
                }
            }
        }
    }

    func refuse(_ refusal: Refusal, _ exchange: Exchange, _ handler: any RequestHandler) {
        respond(handler.refuse(refusal, requestID: exchange.requestID, peer: peer), on: exchange)
    }

    /// Answers a request whose body is too large, however far its work has come.
    func refuseBody(of exchange: Exchange, _ handler: any RequestHandler) {
        load?.acted(.bodyBytes, against: peer.address)
        exchange.task?.cancel()
        refuse(.excessiveBody, exchange, handler)
    }

    /// Counts a task that is about to begin, if there is room for it; it is to call `Exchange.endWork`.
    private func beginWork(on exchange: Exchange, _ handler: any RequestHandler) -> Bool {
        guard exchange.beginWork(load, work, for: peer) else {
            refuse(.overloaded, exchange, handler)
            return false
        }
        return true
    }
}

extension Collection<UInt8> {
    /// Whether these bytes are `text`, letters of either case taken for the same.
    func equalsIgnoringCase(_ text: StaticString) -> Bool {
        equalsIgnoringCase(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    func equalsIgnoringCase(_ other: some Collection<UInt8>) -> Bool {
        count == other.count && zip(self, other).allSatisfy { Self.lower($0) == Self.lower($1) }
    }

    private static func lower(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
}
