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
    package let body: ByteBuffer
}

/// Someone who waits for the response to a request, until one is there, the deadline passes or they give up.
///
/// Confined to the event loop of the connection.
final class ClientCall {
    private var continuation: CheckedContinuation<Result<ClientResponse, HTTPFailure>, Never>?
    private var deadline: Scheduled<Void>?
    private let bodyBytesMax: Int
    private var body = ByteBuffer()

    init(bodyBytesMax: Int, continuation: CheckedContinuation<Result<ClientResponse, HTTPFailure>, Never>) {
        self.bodyBytesMax = bodyBytesMax
        self.continuation = continuation
    }

    func expires(by deadline: Scheduled<Void>) {
        self.deadline = deadline
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
        complete(.success(ClientResponse(status: status, fields: fields, body: body)))
    }

    func failed(_ failure: HTTPFailure) {
        complete(.failure(failure))
    }

    private func complete(_ result: Result<ClientResponse, HTTPFailure>) {
        deadline?.cancel()
        deadline = nil
        continuation?.resume(returning: result)
        continuation = nil
    }
}
