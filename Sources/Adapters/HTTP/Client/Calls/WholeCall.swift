package import NIOCore

/// A call that returns the complete response.
package final class WholeCall: ClientCall {
    package typealias Continuation = CheckedContinuation<Result<ClientResponse, HTTPFailure>, Never>

    @exclusivity(unchecked) private var continuation: Continuation?
    private let bodyBytesMax: Int
    @exclusivity(unchecked) private var fields = HeaderFields()
    @exclusivity(unchecked) private var body = ByteBuffer()

    /// - Parameter timeout: Until the end of the response.
    package init(
        _ request: ClientRequest, bodyBytesMax: Int, timeout: TimeAmount, eventLoop: any EventLoop,
        continuation: Continuation
    ) {
        self.bodyBytesMax = bodyBytesMax
        self.continuation = continuation
        super.init(request, timeout: timeout, eventLoop: eventLoop)
    }

    override var mayResend: Bool { continuation != nil }

    override func headReceived(_ fields: HeaderFields) {
        super.headReceived(fields)
        self.fields = fields
    }

    override func received(_ bytes: ByteBuffer) -> Intake {
        guard body.readableBytes + bytes.readableBytes <= bodyBytesMax else { return .excessive }
        body.writeImmutableBuffer(bytes)
        return .taken
    }

    override func ended() {
        super.ended()
        guard let text = fields.string(.status), let status = Int(text) else {
            return resume(.failure(.malformed))
        }
        do throws(HTTPFailure) {
            let plain = try ContentCoding.decoded(body, fields.string(.contentEncoding), bytesMax: bodyBytesMax)
            resume(.success(ClientResponse(status: status, fields: fields, body: plain)))
        } catch {
            resume(.failure(error))
        }
    }

    override func complete(_ failure: HTTPFailure) {
        super.complete(failure)
        resume(.failure(failure))
    }

    private func resume(_ result: Result<ClientResponse, HTTPFailure>) {
        continuation?.resume(returning: result)
        continuation = nil
    }
}
