package import NIOCore

/// The channel event after a completed handshake, with its results.
package struct TLSHandshake: Sendable {
    /// The protocol negotiated by ALPN; `nil` if the peer does not use ALPN.
    package let applicationProtocol: ApplicationProtocol?

    /// See `PeerInfo.certificateNames`.
    package let certificateNames: [String]
}

/// The channel event for the peer's close_notify. Without it the data may be truncated (RFC 8446, 6.1).
package struct TLSCloseNotify: Sendable {}

/// Encrypts and decrypts one connection, server or client.
///
/// Fires `TLSHandshake` when the handshake is complete; the following handlers must not write before. A failed handshake
/// fires an error.
package final class TLSHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private enum Phase {
        case handshake
        case open
        /// The peer sent close_notify or violated TLS.
        case ended
    }

    private let session: TLSSession
    private let isServer: Bool
    @exclusivity(unchecked) private var phase = Phase.handshake
    private var context: ChannelHandlerContext?
    @exclusivity(unchecked) private var hasClosedOutput = false

    /// Plain text written since the last full record, and the promise for it.
    private var plainText = RecordPlainText()
    @exclusivity(unchecked) private var plainTextPromise: EventLoopPromise<Void>?

    /// Compares received cipher text with its plain text, on a server.
    @exclusivity(unchecked) private var overhead: Overhead?
    private let cutOff: () -> Void

    /// - Parameters:
    ///   - overheadBytesMax: The limit of cipher text without plain text: handshake messages and empty records.
    ///   - cutOff: Called when the limit is exceeded and the connection is closed.
    package init(
        server context: TLSContext, overheadBytesMax: Int = Limits().overheadBytesMax,
        cutOff: @escaping () -> Void = {}
    ) {
        session = TLSSession(server: context)
        isServer = true
        overhead = Overhead(spareBytes: overheadBytesMax)
        self.cutOff = cutOff
    }

    /// - Parameter host: The host name or address that the server's certificate must contain.
    package init(client context: TLSContext, host: String) {
        session = TLSSession(client: context, host: host)
        isServer = false
        cutOff = {}
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin() }
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        plainTextPromise?.fail(ChannelError.ioOnClosedChannel)
        plainTextPromise = nil
    }

    package func channelActive(context: ChannelHandlerContext) {
        begin()
        context.fireChannelActive()
    }

    private func begin() {
        guard !isServer, phase == .handshake else { return }
        performHandshake()
        flushOutgoing()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        receive(unwrapInboundIn(data))
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        // Before the flush, so that handshake messages and the first output of the next handler are sent together.
        context.fireChannelReadComplete()
        flushOutgoing()
    }

    /// Processes cipher text from the channel, or early bytes that `ConnectionNegotiator` has read.
    func receive(_ bytes: ByteBuffer) {
        guard phase != .ended else { return }
        session.feed(bytes)
        overhead?.received(bytes.readableBytes)
        if phase == .handshake { performHandshake() }
        if phase == .open { decrypt() }
        if overhead?.isExcessive == true, phase != .ended {
            phase = .ended
            cutOff()
            context?.close(promise: nil)
        }
    }

    private func performHandshake() {
        switch session.handshake() {
        case .inProgress: break
        case .done:
            phase = .open
            let result = TLSHandshake(
                applicationProtocol: session.applicationProtocol, certificateNames: session.peerCertificateNames)
            context?.fireUserInboundEventTriggered(result)
        case .failed(let failure):
            phase = .ended
            // Sends the TLS alert.
            flushOutgoing()
            context?.fireErrorCaught(failure)
        }
    }

    private func decrypt() {
        guard let context else { return }
        var plain = ByteBuffer()
        let state = session.read(into: &plain)
        overhead?.carriedPayload(plain.readableBytes)
        if plain.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(plain)) }
        switch state {
        case .open: break
        case .closed:
            phase = .ended
            context.fireUserInboundEventTriggered(TLSCloseNotify())
            // As when the peer closes its side of a clear-text connection.
            context.close(promise: nil)
        case .failed:
            phase = .ended
            flushOutgoing()
            context.fireErrorCaught(TLSFailure.broken)
        }
    }

    /// Encrypts full records. The rest waits for more plain text or for `flush`.
    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard phase == .open, !hasClosedOutput else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        plainTextPromise.setOrCascade(to: promise)
        let isEncrypted = plainText.append(unwrapOutboundIn(data)) { plain in
            guard session.write(plain) else { return false }
            if session.isOutgoingFull, let bytes = session.takeOutgoing() {
                context.write(wrapOutboundOut(bytes), promise: nil)
            }
            return true
        }
        if !isEncrypted { failPlainText() }
    }

    package func flush(context: ChannelHandlerContext) {
        encryptPlainText(context)
        context.flush()
    }

    /// Encrypts the plain text that waits, and writes all cipher text to the channel.
    private func encryptPlainText(_ context: ChannelHandlerContext) {
        guard phase == .open, !hasClosedOutput, plainText.finish({ session.write($0) }) else {
            failPlainText()
            return
        }
        let promise = plainTextPromise
        plainTextPromise = nil
        if let bytes = session.takeOutgoing() {
            context.write(wrapOutboundOut(bytes), promise: promise)
        } else if let promise {
            // Succeeds after the writes before it.
            context.write(wrapOutboundOut(ByteBuffer()), promise: promise)
        }
    }

    private func failPlainText() {
        plainText = RecordPlainText()
        plainTextPromise?.fail(ChannelError.ioOnClosedChannel)
        plainTextPromise = nil
    }

    package func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .output, .all:
            if !hasClosedOutput {
                if phase == .open { encryptPlainText(context) }
                hasClosedOutput = true
                session.close()
                flushOutgoing()
            }
        case .input: break
        }
        context.close(mode: mode, promise: promise)
    }

    private func flushOutgoing() {
        guard let context, let bytes = session.takeOutgoing() else { return }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }
}
