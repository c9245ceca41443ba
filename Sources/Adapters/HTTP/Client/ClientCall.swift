package import NIOCore

/// A request to be sent: its whole field section, pseudo-header fields first.
package struct ClientRequest: Sendable {
    package var fields: HeaderFields
    package var body: ByteBuffer

    package init(method: String, scheme: String, authority: String, target: String, body: ByteBuffer = ByteBuffer()) {
        fields = HeaderFields(reservingBytes: 512)
        fields.append(.method, method)
        fields.append(.scheme, scheme)
        fields.append(.authority, authority)
        fields.append(.path, target)
        self.body = body
    }
}

/// A response received whole.
package struct ClientResponse: Sendable {
    package let status: Int
    package let fields: HeaderFields

    /// Decompressed, where it came compressed.
    package let body: ByteBuffer

    package init(status: Int, fields: HeaderFields, body: ByteBuffer) {
        self.status = status
        self.fields = fields
        self.body = body
    }
}

/// Someone who waits for the response to a request, until one is there, the deadline passes or they give up.
///
/// Confined to the event loop of its client.
package final class ClientCall {
    let request: ClientRequest
    private var continuation: CheckedContinuation<Result<ClientResponse, HTTPFailure>, Never>?
    private var deadline: Scheduled<Void>?
    private var firstByteDeadline: Scheduled<Void>?
    private let bodyBytesMax: Int
    private var body = ByteBuffer()
    private var attempts = 0
    private let eventLoop: any EventLoop

    /// How often a request that reached nobody is sent in all.
    private static let attemptsMax = 3

    /// Takes the call out of the queue it waits in, if it waits in one.
    var withdraw: ((ClientCall) -> Void)?

    /// Sends the request again; `false` if that cannot be.
    var resubmit: ((ClientCall) -> Bool)?

    /// Takes the request back from the connection it was sent on.
    private var giveUp: ((HTTPFailure) -> Void)?

    package init(
        _ request: ClientRequest, bodyBytesMax: Int, timeout: TimeAmount, eventLoop: any EventLoop,
        continuation: CheckedContinuation<Result<ClientResponse, HTTPFailure>, Never>
    ) {
        self.request = request
        self.bodyBytesMax = bodyBytesMax
        self.continuation = continuation
        self.eventLoop = eventLoop
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        deadline = eventLoop.scheduleTask(in: timeout) { bound.value.fail(.timedOut) }
    }

    var isOver: Bool { continuation == nil }

    /// The request is with a connection, until that tells it how it ended.
    func began(firstByteWithin firstByte: TimeAmount, giveUp: @escaping (HTTPFailure) -> Void) {
        self.giveUp = giveUp
        attempts += 1
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        firstByteDeadline = eventLoop.scheduleTask(in: firstByte) { bound.value.fail(.timedOut) }
    }

    /// The head of the response is there.
    func headReceived() {
        firstByteDeadline?.cancel()
        firstByteDeadline = nil
    }

    /// Whether the bytes still fit.
    func received(_ bytes: ByteBuffer) -> Bool {
        guard body.readableBytes + bytes.readableBytes <= bodyBytesMax else { return false }
        body.writeImmutableBuffer(bytes)
        return true
    }

    /// The peer's message has ended.
    func ended(fields: HeaderFields) {
        guard let text = fields.string(.status), let status = Int(text) else {
            return complete(.failure(.malformed))
        }
        do throws(HTTPFailure) {
            let plain = try ContentCoding.decoded(
                body, fields.string(.contentEncoding), bytesMax: bodyBytesMax)
            complete(.success(ClientResponse(status: status, fields: fields, body: plain)))
        } catch {
            complete(.failure(error))
        }
    }

    /// The connection gave up on it. What nobody has looked at is sent again.
    func failed(_ failure: HTTPFailure) {
        giveUp = nil
        headReceived()
        if failure == .unprocessed, attempts < Self.attemptsMax, !isOver, let resubmit, resubmit(self) { return }
        complete(.failure(failure))
    }

    /// Gives up, wherever the request is: the peer is told, and whoever waits hears `failure`.
    func fail(_ failure: HTTPFailure) {
        withdraw?(self)
        withdraw = nil
        if let giveUp {
            self.giveUp = nil
            giveUp(failure)
        }
        complete(.failure(failure))
    }

    private func complete(_ result: Result<ClientResponse, HTTPFailure>) {
        deadline?.cancel()
        deadline = nil
        headReceived()
        giveUp = nil
        resubmit = nil
        withdraw = nil
        continuation?.resume(returning: result)
        continuation = nil
    }
}
