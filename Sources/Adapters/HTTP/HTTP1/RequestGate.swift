import NIOCore

/// Lets one request at a time through to the parser, and holds what comes behind it until that is wanted.
///
/// It finds the ends of requests by itself: where it and the parser disagree nothing more is read.
final class RequestGate: ChannelInboundHandler {
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
        /// All of the request has gone through.
        case over
        /// Nothing goes through any more.
        case closed
    }

    /// Outlives the gate's channel, as the gate does.
    weak var handler: HTTP1ServerHandler?
    private var phase = Phase.head
    private var held = ByteBuffer()
    private var context: ChannelHandlerContext?
    private var isProceeding = false

    /// What has gone through of a head: whether there was any, how many lines, and how much of the end of a head.
    private var hasBegun = false
    private var lines = 0
    private var endBytes = 0

    // MARK: The connection

    /// What came behind the request under way.
    var heldBytes: Int { held.readableBytes }

    /// Whether a request has begun whose head is not complete.
    var isInHead: Bool {
        if case .head = phase { hasBegun } else { false }
    }

    /// Whether the first line of the head is not complete.
    var isInRequestLine: Bool { isInHead && lines == 0 }

    /// The head has gone through, and this follows it.
    func bodyFollows(length: Int) {
        phase = length == 0 ? .over : .body(left: length)
    }

    func bodyFollows(_ coding: ChunkedCoding) {
        phase = .chunks(coding)
    }

    /// Lets the next request through, as far as it has come.
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
        held = ByteBuffer()
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
        held.writeImmutableBuffer(unwrapInboundIn(data))
        handler?.bytesArrived()
        proceed()
    }

    private func proceed() {
        // Answers made at once ask for the next request from within the last.
        guard !isProceeding else { return }
        isProceeding = true
        while let context, let bytes = take() { context.fireChannelRead(wrapInboundOut(bytes)) }
        isProceeding = false
    }

    /// What may go through now.
    private func take() -> ByteBuffer? {
        guard held.readableBytes > 0 else { return nil }
        switch phase {
        case .closed, .over: return nil
        case .head:
            guard endBytes < Self.end.count else {
                // The parser should have told of it by now.
                fail(.malformed)
                return nil
            }
            return held.readSlice(length: headCount())
        case .body(let left):
            let count = min(left, held.readableBytes)
            phase = count == left ? .over : .body(left: left - count)
            return held.readSlice(length: count)
        case .chunks(var coding):
            do throws(ChunkedCoding.Breach) {
                let count = try coding.advance(over: held.readableBytesView)
                phase = coding.isOver ? .over : .chunks(coding)
                return held.readSlice(length: count)
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

    /// How many of the bytes held belong to the head, or stand before it.
    private func headCount() -> Int {
        let bytes = held.readableBytesView
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
