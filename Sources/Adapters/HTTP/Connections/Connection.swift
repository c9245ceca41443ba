import NIOCore

/// The interface of an HTTP/1.1 or HTTP/2 server connection towards its exchanges. Confined to its event loop.
protocol Connection: AnyObject {
    var limits: Limits { get }

    /// The executor for the tasks of its exchanges.
    var executor: EventLoopExecutor { get }

    var peer: PeerInfo { get }

    /// The resource counters shared by all connections of the server.
    var load: ServerLoad { get }

    var work: RunningWork { get }

    var scheduler: StreamScheduler { get }

    /// Called when the outbound body has new bytes or has ended.
    func outboundChanged(on exchange: ServerExchange)

    /// Called when bytes of the inbound body were read.
    func inboundRead(_ count: Int, on exchange: ServerExchange)

    /// Called when a reader starts to wait for the inbound body.
    func inboundAwaited(on exchange: ServerExchange)

    /// Sends a complete response.
    func respond(_ response: HTTPResponse, on exchange: ServerExchange)

    /// Whether the request's HTTP version supports a response of unknown length.
    func carriesStreams(to exchange: ServerExchange) -> Bool

    /// Sends the head of a streamed response.
    func beginStream(_ head: HTTPResponse, on exchange: ServerExchange)

    /// Ends an exchange without a response.
    func abandon(_ exchange: ServerExchange, by abandonment: Abandonment)
}

extension Connection {
    /// Appends to a streamed body. Returns `false`, and appends nothing, if the producer must wait for the peer or for the
    /// next time slice.
    func append(_ bytes: ByteBuffer, to exchange: ServerExchange) -> Bool {
        guard exchange.outbound.readyBytes < limits.streamWriteBytesMax, scheduler.mayContinue() else { return false }
        exchange.outbound.append(bytes)
        outboundChanged(on: exchange)
        return true
    }

    /// Appends to a streamed body and resumes the producer when it may write again.
    func append(_ bytes: ByteBuffer, to exchange: ServerExchange, then producer: CheckedContinuation<Bool, Never>) {
        guard exchange.outbound.readyBytes < limits.streamWriteBytesMax else {
            exchange.outbound.suspend(OutboundBody.Waiter(producer), with: bytes)
            return
        }
        exchange.outbound.append(bytes)
        outboundChanged(on: exchange)
        scheduler.run { producer.resume(returning: true) }
    }

    /// Validates the request of an exchange and passes it to `handler`.
    func dispatch(_ exchange: ServerExchange, to handler: any RequestHandler) {
        // Released here: a handler copies the fields that it needs.
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
            // With two request ids, neither is used.
            if error != .repeatedField(.requestID) { exchange.requestID = fields[.requestID].map(Array.init) }
            exchange.isMalformed = error == .malformed
            refuse(error, exchange, handler)
            return
        }
        if request.awaitsContinue, exchange.input == .open { exchange.input = .awaitsContinue }
        let reply = handler.reply(to: request)
        if case .now(let response) = reply {
            respond(response, on: exchange)
            return
        }
        exchange.requestID = fields[.requestID].map(Array.init)
        @Sendable func endWork(with response: HTTPResponse) {
            bound.eventLoop.runInLoop {
                bound.value.endWork()
                bound.value.connection?.respond(response, on: bound.value)
            }
        }
        switch reply {
        case .now: break
        case .eventually(let makeResponse):
            guard limitBody(of: request, on: exchange, handler), beginWork(on: exchange, handler) else { return }
            exchange.task = Task.immediate(executorPreference: executor) {
                endWork(with: await makeResponse())
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
            guard beginWork(on: exchange, handler) else { return }
            begin(head, on: exchange)
            exchange.task = Task.immediate(executorPreference: executor) {
                let ending = await writeBody(BodyWriter(bound))
                bound.eventLoop.runInLoop { bound.value.endWork(ending) }
            }
        case .eventuallyStreamed where !carriesStreams(to: exchange):
            refuse(.upgradeRequired, exchange, handler)
        case .eventuallyStreamed(let makeReply):
            guard limitBody(of: request, on: exchange, handler), beginWork(on: exchange, handler) else { return }
            let isHead = exchange.isHead
            exchange.task = Task.immediate(executorPreference: executor) {
                switch await makeReply() {
                case .whole(let response): endWork(with: response)
                // The response to HEAD has no body.
                case .stream(let head, _) where isHead: endWork(with: head)
                case .stream(let head, let writeBody):
                    bound.eventLoop.runInLoop { bound.value.connection?.begin(head, on: bound.value) }
                    let ending = await writeBody(BodyWriter(bound))
                    bound.eventLoop.runInLoop { bound.value.endWork(ending) }
                }
            }
        }
    }

    /// Sends the head of a streamed response, unless the request was answered meanwhile.
    private func begin(_ head: HTTPResponse, on exchange: ServerExchange) {
        guard !exchange.hasResponded else { return }
        exchange.isStreamed = true
        beginStream(head, on: exchange)
    }

    func refuse(_ refusal: Refusal, _ exchange: ServerExchange, _ handler: any RequestHandler) {
        respond(handler.refuse(refusal, requestID: exchange.requestID, peer: peer), on: exchange)
    }

    /// Cancels the task of a request whose body is too large, and refuses the request.
    func refuseBody(of exchange: ServerExchange, _ handler: any RequestHandler) {
        load.triggered(.bodyBytes, against: peer.address)
        exchange.task?.cancel()
        refuse(.excessiveBody, exchange, handler)
    }

    /// Limits the body of a request, and refuses the request if it announces a larger one.
    private func limitBody(
        of request: HTTPRequest, on exchange: ServerExchange, _ handler: any RequestHandler
    ) -> Bool {
        exchange.bodyBytesMax = limits.bodyBytesMax
        guard request.contentLength <= limits.bodyBytesMax else {
            refuseBody(of: exchange, handler)
            return false
        }
        return true
    }

    /// Counts a task that is about to start, and refuses the request if the server is overloaded. The task has to call
    /// `endWork()` when it ends.
    private func beginWork(on exchange: ServerExchange, _ handler: any RequestHandler) -> Bool {
        guard exchange.beginWork(load, work, for: peer) else {
            refuse(.overloaded, exchange, handler)
            return false
        }
        return true
    }
}

extension Collection<UInt8> {
    /// Compares with `text`, ignoring ASCII case.
    func equalsIgnoringCase(_ text: StaticString) -> Bool {
        equalsIgnoringCase(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    func equalsIgnoringCase(_ other: some Collection<UInt8>) -> Bool {
        count == other.count && zip(self, other).allSatisfy { Self.lower($0) == Self.lower($1) }
    }

    private static func lower(_ byte: UInt8) -> UInt8 {
        byte.isASCIIUppercase ? byte | 0x20 : byte
    }
}

extension StreamScheduler {
    /// Resumes a producer whose bytes were sent. Returns whether it runs in this time slice.
    func resume(_ producer: OutboundBody.Waiter?) -> Bool {
        guard let producer else { return false }
        return run { producer.resume(returning: true) }
    }
}
