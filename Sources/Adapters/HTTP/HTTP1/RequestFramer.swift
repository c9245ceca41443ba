import NIOCore

/// Passes one request at a time to the parser and buffers pipelined requests behind it.
///
/// Finds the end of each request independently of the parser. If the two disagree, the connection is closed.
final class RequestFramer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    enum Breach: Error {
        case malformed
        case extensions
    }

    private enum Phase {
        case head
        case body(left: Int)
        case chunks(ChunkedCoding)
        /// The request was passed on completely.
        case over
        /// No more bytes are passed on.
        case closed
    }

    weak var handler: HTTP1ServerHandler?
    @exclusivity(unchecked) private var phase = Phase.head
    @exclusivity(unchecked) private var buffered = ByteBuffer()
    @exclusivity(unchecked) private var context: ChannelHandlerContext?
    @exclusivity(unchecked) private var isProceeding = false

    /// The progress in the current head.
    @exclusivity(unchecked) private var head = HeadEnd()

    // MARK: The connection

    /// The size of the buffered pipelined requests.
    var bufferedBytes: Int { buffered.readableBytes }

    /// Whether an incomplete head was received.
    var isInHead: Bool {
        if case .head = phase { head.hasBegun } else { false }
    }

    /// Whether the request line is incomplete.
    var isInRequestLine: Bool { isInHead && head.lines == 0 }

    /// Sets the framing of the body after the head was parsed.
    func bodyFollows(length: Int) {
        phase = length == 0 ? .over : .body(left: length)
    }

    func bodyFollows(_ coding: ChunkedCoding) {
        phase = .chunks(coding)
    }

    /// Passes on the received part of the next request.
    func next() {
        guard case .over = phase else { return }
        phase = .head
        head = HeadEnd()
        proceed()
    }

    func close() {
        phase = .closed
        buffered = ByteBuffer()
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .closed = phase { return }
        let bytes = unwrapInboundIn(data)
        if buffered.readableBytes == 0 {
            buffered = bytes
        } else {
            buffered.writeImmutableBuffer(bytes)
        }
        handler?.bytesArrived()
        proceed()
    }

    private func proceed() {
        // A synchronous response calls `next()` from within this loop.
        guard !isProceeding else { return }
        isProceeding = true
        while let context {
            let answered = answerAtOnce()
            if answered > 0 {
                buffered.moveReaderIndex(forwardBy: answered)
                continue
            }
            guard let bytes = take() else { break }
            context.fireChannelRead(wrapInboundOut(bytes))
        }
        // Not the memory of the last read.
        if buffered.readableBytes == 0 { buffered = ByteBuffer() }
        isProceeding = false
    }

    /// Lets the fast path answer the next request, if none is being received. Returns the size of the request, or 0.
    private func answerAtOnce() -> Int {
        guard case .head = phase, !head.hasBegun, buffered.readableBytes > 0, let handler else { return 0 }
        return buffered.withUnsafeReadableBytes { handler.answerAtOnce($0) }
    }

    /// Removes the bytes that may be passed on now.
    private func take() -> ByteBuffer? {
        guard buffered.readableBytes > 0 else { return nil }
        switch phase {
        case .closed, .over: return nil
        case .head:
            guard !head.isFound else {
                // The head is complete, but the parser has not reported it.
                fail(.malformed)
                return nil
            }
            return buffered.readSlice(length: buffered.withUnsafeReadableBytes { head.advance(over: $0) })
        case .body(let left):
            let count = min(left, buffered.readableBytes)
            phase = count == left ? .over : .body(left: left - count)
            return buffered.readSlice(length: count)
        case .chunks(var coding):
            do throws(ChunkedCoding.Breach) {
                let count = try coding.advance(over: buffered.readableBytesView)
                phase = coding.isOver ? .over : .chunks(coding)
                return buffered.readSlice(length: count)
            } catch {
                fail(error == .extensions ? .extensions : .malformed)
                return nil
            }
        }
    }

    private func fail(_ breach: Breach) {
        close()
        handler?.requestBroken(breach)
    }
}
