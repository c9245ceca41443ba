package import NIOCore

/// A client request. Its field section starts with the pseudo-header fields.
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

/// A complete response.
package struct ClientResponse: Sendable {
    package let status: Int
    package let fields: HeaderFields

    /// The decompressed body.
    package let body: ByteBuffer

    package init(status: Int, fields: HeaderFields, body: ByteBuffer) {
        self.status = status
        self.fields = fields
        self.body = body
    }
}

/// A pending request: waits for the response, the deadline or cancellation.
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

    /// How often an unprocessed request is sent in total.
    private static let attemptsMax = 3

    /// Removes the call from the queue of the connection pool; `nil` if it is not queued.
    var dequeue: ((ClientCall) -> Void)?

    /// Sends the request again. Returns `false` if the pool is gone.
    var resubmit: ((ClientCall) -> Bool)?

    /// Cancels the request on its connection.
    private var cancelExchange: ((HTTPFailure) -> Void)?

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

    /// Records that the request was passed to a connection, which reports the outcome.
    func began(firstByteWithin firstByte: TimeAmount, cancelExchange: @escaping (HTTPFailure) -> Void) {
        self.cancelExchange = cancelExchange
        attempts += 1
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        firstByteDeadline = eventLoop.scheduleTask(in: firstByte) { bound.value.fail(.timedOut) }
    }

    /// Records that the head of the response was received.
    func headReceived() {
        firstByteDeadline?.cancel()
        firstByteDeadline = nil
    }

    /// Appends body bytes. Returns `false` if the body exceeds the size limit.
    func received(_ bytes: ByteBuffer) -> Bool {
        guard body.readableBytes + bytes.readableBytes <= bodyBytesMax else { return false }
        body.writeImmutableBuffer(bytes)
        return true
    }

    /// Completes the call with the received response.
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

    /// Handles a failure reported by the connection. An unprocessed request is sent again.
    func failed(_ failure: HTTPFailure) {
        cancelExchange = nil
        headReceived()
        if failure == .unprocessed, attempts < Self.attemptsMax, !isOver, let resubmit, resubmit(self) { return }
        complete(.failure(failure))
    }

    /// Cancels the request in the queue or on its connection, and completes the call with `failure`.
    func fail(_ failure: HTTPFailure) {
        dequeue?(self)
        dequeue = nil
        if let cancelExchange {
            self.cancelExchange = nil
            cancelExchange(failure)
        }
        complete(.failure(failure))
    }

    private func complete(_ result: Result<ClientResponse, HTTPFailure>) {
        deadline?.cancel()
        deadline = nil
        headReceived()
        cancelExchange = nil
        resubmit = nil
        dequeue = nil
        continuation?.resume(returning: result)
        continuation = nil
    }
}
