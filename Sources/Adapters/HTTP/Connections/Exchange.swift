import NIOCore

/// One request and its response: the state that server and client share.
///
/// Confined to the event loop of its connection, which owns it for the duration of the exchange. On HTTP/2 the exchange
/// ends when nghttp2 reports the stream closed or the connection ends; until then nghttp2 holds an unretained pointer to
/// it.
class Exchange {
    /// The progress of the peer's message.
    enum Input {
        /// The peer waits for `100 Continue` before it sends its body (`Expect: 100-continue`).
        case awaitsContinue
        case open
        /// The response ended before the request, whose remaining body is discarded.
        case discarded
        /// The message was received completely.
        case complete
    }

    /// The stream's identifier (RFC 9113, 5.1.1); 0 on HTTP/1.1.
    @exclusivity(unchecked) final var id: Int32

    /// The index in the connection's table of streams.
    @exclusivity(unchecked) final var slot = 0

    /// The peer's field section; `nil` before it arrives, if it exceeds the limits, and on a server after the request was
    /// dispatched.
    @exclusivity(unchecked) final var fields: HeaderFields?

    @exclusivity(unchecked) final var input = Input.open
    @exclusivity(unchecked) final var inbound = InboundBody()
    @exclusivity(unchecked) final var outbound = OutboundBody()

    /// Whether the outbound body is streamed: longer write timeouts apply, and no minimum rate for the inbound body.
    @exclusivity(unchecked) final var isStreamed = false

    @exclusivity(unchecked) private var writeProgress = Progress()

    init(id: Int32) {
        self.id = id
    }

    /// Forgets a response that was sent or abandoned.
    final func reset() {
        outbound.reuse()
        writeProgress = Progress()
    }

    /// Buffered bytes that were not read or sent yet.
    final var bufferedBytes: Int { inbound.uncreditedBytes + outbound.readyBytes }

    /// Whether the peer reads our body too slowly.
    final func isWriteStalled(at now: NIODeadline, timeouts: Timeouts, limits: Limits) -> Bool {
        writeProgress.isStalled(
            at: now, count: outbound.sentBytes, isAwaited: outbound.readyBytes > 0,
            bytesMin: limits.writeProgressBytesMin,
            within: writeProgressMax(timeouts))
    }

    /// The period in which the peer must read `Limits.writeProgressBytesMin` bytes.
    final func writeProgressMax(_ timeouts: Timeouts) -> TimeAmount {
        isStreamed ? timeouts.writeProgressBulk : timeouts.writeProgress
    }
}
