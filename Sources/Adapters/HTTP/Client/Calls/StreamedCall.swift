import NIOCore

/// A call that returns the head of the response first, and then its body in pieces.
///
/// At most `bufferBytesMax` bytes and those of one more read wait for the reader: the connection stops reading, or does not
/// credit the window of the stream.
final class StreamedCall: ClientCall {
    typealias Continuation = CheckedContinuation<Result<StreamedResponse, HTTPFailure>, Never>

    private var continuation: Continuation?
    private var body = InboundBody()

    /// How long a reader waits for the next bytes.
    private let silenceMax: TimeAmount
    private var silence: CallDeadlines.Deadline?

    /// Unread bytes above which an HTTP/1.1 connection is not read. HTTP/2 has `Limits.streamWindowBytes` for it.
    static let bufferBytesMax = 65_536

    /// - Parameter headTimeout: Until the head of the response was received.
    init(
        _ request: ClientRequest, headTimeout: TimeAmount, silenceMax: TimeAmount, eventLoop: any EventLoop,
        continuation: Continuation
    ) {
        self.silenceMax = silenceMax
        self.continuation = continuation
        super.init(request, timeout: headTimeout, eventLoop: eventLoop)
    }

    override var unreadBytes: Int { body.uncreditedBytes }

    override var isStreamed: Bool { true }

    override var mayResend: Bool { continuation != nil }

    override func headReceived(_ fields: HeaderFields) {
        super.headReceived(fields)
        guard let text = fields.string(.status), let status = Int(text) else { return fail(.malformed) }
        release()
        let body = ResponseBody(NIOLoopBound(self, eventLoop: eventLoop))
        resume(.success(StreamedResponse(status: status, fields: fields, body: body)))
    }

    override func received(_ bytes: ByteBuffer) -> Intake {
        silence?.cancel()
        silence = nil
        guard let reader = body.received(bytes) else { return .buffered }
        _ = body.credit(bytes.readableBytes)
        reader.resume(returning: .success(bytes))
        return .taken
    }

    override func ended() {
        super.ended()
        // A response without a head, which the parsers do not let through.
        resume(.failure(.malformed))
        endSilence()
        body.ended()?.resume(returning: .success(nil))
    }

    override func complete(_ failure: HTTPFailure) {
        super.complete(failure)
        resume(.failure(failure))
        endSilence()
        body.failed(failure)?.resume(returning: .failure(failure))
    }

    private func resume(_ result: Result<StreamedResponse, HTTPFailure>) {
        continuation?.resume(returning: result)
        continuation = nil
    }

    // MARK: Reading

    /// Passes the next bytes, the end or a failure to `reader`, now or when it arrives.
    func read(_ reader: InboundBody.Waiter) {
        switch body.read(reader) {
        case .returned(let result):
            if case .success(let bytes?) = result {
                let count = body.credit(bytes.readableBytes)
                bodyRead(count)
            }
            reader.resume(returning: result)
        case .waits:
            silence = addDeadline(after: silenceMax)
        }
    }

    private func endSilence() {
        silence?.cancel()
        silence = nil
    }
}
