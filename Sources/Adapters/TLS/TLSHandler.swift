package import NIOCore

/// What a handshake came to, told to the handlers behind as an event.
package struct TLSHandshake: Sendable {
    /// `nil` where the peer named none.
    package let applicationProtocol: ApplicationProtocol?

    /// See `PeerInfo.certificateNames`.
    package let certificateNames: [String]
}

/// The peer said that it sends nothing more; an end of the connection without this was cut (RFC 8446, 6.1).
package struct TLSCloseNotify: Sendable {}

/// Encrypts and decrypts one connection, server or client.
///
/// What is behind it is told of the handshake by `TLSHandshake` and must not write before; a handshake that fails is an
/// error caught.
package final class TLSHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private enum Phase {
        case handshake
        case open
        /// The peer has said its last word, or broken the rules.
        case ended
    }

    private let session: TLSSession
    private let isServer: Bool
    private var phase = Phase.handshake
    private var context: ChannelHandlerContext?
    private var hasClosedOutput = false

    /// Cipher text beside the plain text it carried, on a server.
    private var overhead: Overhead?
    private let cutOff: () -> Void

    /// - Parameters:
    ///   - overheadBytesMax: Cipher text that may come without plain text in it: handshakes, and records that say nothing.
    ///   - cutOff: Hears that there was more of it, and the connection is ended.
    package init(
        server context: TLSContext, overheadBytesMax: Int = Limits().overheadBytesMax,
        cutOff: @escaping () -> Void = {}
    ) {
        session = TLSSession(server: context)
        isServer = true
        overhead = Overhead(spareBytes: overheadBytesMax)
        self.cutOff = cutOff
    }

    /// - Parameter host: Who the server has to show that it is.
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
    }

    package func channelActive(context: ChannelHandlerContext) {
        begin()
        context.fireChannelActive()
    }

    private func begin() {
        guard !isServer, phase == .handshake else { return }
        shakeHands()
        flushOutgoing()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        receive(unwrapInboundIn(data))
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        flushOutgoing()
        context.fireChannelReadComplete()
    }

    /// Takes cipher text, be it from the channel or from whoever read the beginning of it.
    func receive(_ bytes: ByteBuffer) {
        guard phase != .ended else { return }
        session.feed(bytes)
        overhead?.took(bytes.readableBytes)
        if phase == .handshake { shakeHands() }
        if phase == .open { decrypt() }
        if overhead?.isExcessive == true, phase != .ended {
            phase = .ended
            cutOff()
            context?.close(promise: nil)
        }
    }

    private func shakeHands() {
        switch session.handshake() {
        case .goesOn: break
        case .done:
            phase = .open
            let result = TLSHandshake(
                applicationProtocol: session.applicationProtocol, certificateNames: session.peerCertificateNames)
            // The last flight of the handshake leaves before anything else.
            flushOutgoing()
            context?.fireUserInboundEventTriggered(result)
        case .failed(let failure):
            phase = .ended
            // The alert that says why.
            flushOutgoing()
            context?.fireErrorCaught(failure)
        }
    }

    private func decrypt() {
        guard let context else { return }
        var plain = ByteBuffer()
        let state = session.read(into: &plain)
        overhead?.wasUseful(plain.readableBytes)
        if plain.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(plain)) }
        switch state {
        case .open: break
        case .closed:
            phase = .ended
            context.fireUserInboundEventTriggered(TLSCloseNotify())
            // As where the peer ends its half of a connection in clear text.
            context.close(promise: nil)
        case .failed:
            phase = .ended
            flushOutgoing()
            context.fireErrorCaught(TLSFailure.broken)
        }
    }

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard phase == .open, !hasClosedOutput, session.write(unwrapOutboundIn(data)) else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        if let bytes = session.takeOutgoing() {
            context.write(wrapOutboundOut(bytes), promise: promise)
        } else {
            promise?.succeed(())
        }
    }

    package func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .output, .all:
            if !hasClosedOutput {
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
