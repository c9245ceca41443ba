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

    /// The progress in the current head: whether it has begun, its lines so far, and the matched bytes of its terminator.
    @exclusivity(unchecked) private var hasBegun = false
    private var lines = 0
    private var endBytes = 0

    // MARK: The connection

    /// The size of the buffered pipelined requests.
    var bufferedBytes: Int { buffered.readableBytes }

    /// Whether an incomplete head was received.
    var isInHead: Bool {
        if case .head = phase { hasBegun } else { false }
    }

    /// Whether the request line is incomplete.
    var isInRequestLine: Bool { isInHead && lines == 0 }

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
        hasBegun = false
        lines = 0
        endBytes = 0
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
        guard case .head = phase, !hasBegun, buffered.readableBytes > 0, let handler else { return 0 }
        return buffered.withUnsafeReadableBytes { handler.answerAtOnce($0) }
    }

    /// Removes the bytes that may be passed on now.
    private func take() -> ByteBuffer? {
        guard buffered.readableBytes > 0 else { return nil }
        switch phase {
        case .closed, .over: return nil
        case .head:
            guard endBytes < Self.end.count else {
                // The head is complete, but the parser has not reported it.
                fail(.malformed)
                return nil
            }
            return buffered.readSlice(length: headCount())
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

    private static let end = Array("\r\n\r\n".utf8)

    /// The number of buffered bytes that belong to the head, including empty lines before it.
    private func headCount() -> Int {
        let bytes = buffered.readableBytesView
        var index = bytes.startIndex
        if !hasBegun {
            // Empty lines before a request are skipped (RFC 9112, 2.2).
            while index < bytes.endIndex, Self.end.contains(bytes[index]) { index += 1 }
            guard index < bytes.endIndex else { return bytes.count }
            hasBegun = true
        }
        while index < bytes.endIndex {
            let byte = bytes[index]
            index += 1
            if byte == UInt8(ascii: "\n") { lines += 1 }
            if byte == Self.end[endBytes] {
                endBytes += 1
                if endBytes == Self.end.count { return index - bytes.startIndex }
            } else {
                endBytes = byte == UInt8(ascii: "\r") ? 1 : 0
            }
        }
        return bytes.count
    }
}
