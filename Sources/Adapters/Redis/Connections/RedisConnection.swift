import DequeModule
import NIOCore

/// Why a connection to Redis could not be made, or ended. The texts contain no passwords, keys or values.
enum RedisProblem: Error, Sendable, Equatable, CustomStringConvertible {
    case notConnected(ConnectFailure)
    case connectTimedOut
    case passwordUnreadable(String)
    /// Redis refused one of the first commands.
    case refused(command: String, RedisErrorReply)
    case loading
    case replica
    /// It belongs to a cluster, and does not say where the slots are.
    case hiddenCluster
    /// A sentinel does not know the primary.
    case unknownPrimary(String)
    /// Redis answered NOAUTH: the password was changed.
    case notAuthenticated
    case malformed
    case unanswered
    case closedByPeer
    case closed

    /// The problem that an error reply shows; nil if the connection can be used further.
    init?(_ reply: RedisErrorReply) {
        switch reply.code {
        case "READONLY": self = .replica
        case "LOADING", "MASTERDOWN": self = .loading
        case "NOAUTH": self = .notAuthenticated
        default: return nil
        }
    }

    var description: String {
        switch self {
        case .notConnected(let failure): "\(failure)"
        case .connectTimedOut: "it did not accept the connection in time"
        case .passwordUnreadable(let problem): problem
        case .refused(let command, let reply): Self.refusal(command, reply)
        case .loading: "it loads its data, or waits for its primary"
        case .replica: "it is a replica, which cannot be written to"
        case .hiddenCluster: "it belongs to a cluster, and its ACL does not permit the user to call CLUSTER SLOTS"
        case .unknownPrimary(let name): "it is a sentinel, and knows no primary with the name \(name)"
        case .notAuthenticated: "it demands a user name and a password"
        case .malformed: "it does not answer in the Redis protocol"
        case .unanswered: "it does not answer"
        case .closedByPeer: "it closed the connection"
        case .closed: "the service is shutting down"
        }
    }

    private static func refusal(_ command: String, _ reply: RedisErrorReply) -> String {
        switch reply.code {
        case "WRONGPASS": "it refused the user name and password"
        case "NOAUTH": "it demands a user name and a password"
        case "NOPERM": "its ACL does not permit the user to call \(command)"
        default: "it answered \(command) with \(reply)"
        }
    }
}

/// Writes commands to one connection in their order, and matches the replies. Confined to its event loop.
final class RedisConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    typealias Replies = Result<[RedisValue], RedisFailure>

    /// Commands that are written together, and their replies.
    struct Batch: Sendable {
        let bytes: ByteBuffer
        let count: Int
        let deadline: NIODeadline
        let wait: RedisWait<Replies>

        /// Whether an error that concerns the whole connection closes it.
        var checksErrors = true

        /// Called when no more replies are expected, after `wait` has its result.
        let ended: @Sendable () -> Void
    }

    private struct Pending {
        /// nil for a PING.
        let wait: RedisWait<Replies>?
        let count: Int
        let sentAt: NIODeadline
        var checksErrors = false
        var replies: [RedisValue] = []
        var deadline: Scheduled<Void>?
        var ended: (@Sendable () -> Void)?
    }

    private enum Phase {
        case connecting
        case open
        /// Each reply is a message.
        case subscribed((RedisValue) -> Void)
        case closed
    }

    /// The interval of the checks for silence.
    private static let watchInterval = TimeAmount.milliseconds(250)

    private static let ping = RedisCommand.encoded([RedisCommand("PING")])

    private let configuration: RedisConfiguration
    private let reader: RedisReader
    private var phase = Phase.connecting
    private(set) var problem: RedisProblem?
    private var pending: Deque<Pending> = []
    private var context: ChannelHandlerContext?
    private var isFlushScheduled = false
    private var lastRead = NIODeadline.now()
    private var watch: RepeatedTask?

    /// Succeeds when commands can be written: after the TLS handshake, if there is one. Fails with `RedisProblem`.
    let opened: EventLoopPromise<Void>

    /// Succeeds when the channel is closed.
    let ended: EventLoopPromise<RedisProblem>

    init(_ configuration: RedisConfiguration, eventLoop: any EventLoop) {
        self.configuration = configuration
        opened = eventLoop.makePromise()
        reader = RedisReader(replyBytesMax: configuration.replyBytesMax)
        ended = eventLoop.makePromise()
    }

    // MARK: Commands

    func send(_ batch: Batch) {
        // A call that was cancelled meanwhile is not sent.
        guard case .open = phase, let context, batch.wait.result == nil else {
            batch.wait.resolve(.failure(.unavailable))
            batch.ended()
            return
        }
        let wait = batch.wait
        let deadline = context.eventLoop.scheduleTask(deadline: batch.deadline) {
            // The place in the queue stays, since the reply still arrives.
            _ = wait.resolve(.failure(.timedOut))
        }
        pending.append(
            Pending(
                wait: wait, count: batch.count, sentAt: .now(), checksErrors: batch.checksErrors, deadline: deadline,
                ended: batch.ended))
        write(batch.bytes, context)
    }

    /// From now on, each reply is a message, and PINGs watch over the connection.
    func subscribe(_ command: RedisCommand, _ receive: @escaping (RedisValue) -> Void) {
        guard case .open = phase, let context else { return }
        phase = .subscribed(receive)
        write(RedisCommand.encoded([command]), context)
    }

    private func write(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(bytes), promise: nil)
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        // Commands that are ready in the same turn of the event loop are written together.
        context.eventLoop.assumeIsolated().execute {
            self.isFlushScheduled = false
            self.context?.flush()
        }
    }

    func close(_ problem: RedisProblem) {
        if self.problem == nil { self.problem = problem }
        guard let context else {
            end()
            return
        }
        context.close(promise: nil)
    }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { open(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        open(context)
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is TLSHandshake { opened(context) }
        context.fireUserInboundEventTriggered(event)
    }

    private func open(_ context: ChannelHandlerContext) {
        if configuration.tls == nil { opened(context) }
    }

    private func opened(_ context: ChannelHandlerContext) {
        guard case .connecting = phase else { return }
        phase = .open
        lastRead = .now()
        let connection = NIOLoopBound(self, eventLoop: context.eventLoop)
        watch = context.eventLoop.scheduleRepeatedTask(
            initialDelay: Self.watchInterval, delay: Self.watchInterval
        ) { _ in connection.value.checkSilence() }
        opened.succeed(())
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastRead = .now()
        do throws(RedisReader.Malformed) {
            try reader.read(unwrapInboundIn(data)) { receive($0) }
        } catch {
            close(.malformed)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let cause: ConnectFailure.Cause =
            if let failure = error as? TLSFailure { .tls(failure) } else { .init(connecting: error) }
        // The caller knows the address.
        close(.notConnected(ConnectFailure(cause, origin: "it")))
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    // MARK: Replies

    private func receive(_ reply: RedisValue) {
        switch phase {
        case .subscribed(let receive): receive(reply)
        case .open: answer(reply)
        case .connecting, .closed: close(.malformed)
        }
    }

    private func answer(_ reply: RedisValue) {
        guard var first = pending.popFirst() else {
            close(.malformed)
            return
        }
        if case .error(let error) = reply, first.checksErrors, let problem = RedisProblem(error) { close(problem) }
        first.replies.append(reply)
        if first.replies.count == first.count {
            finish(first, .success(first.replies))
        } else {
            pending.prepend(first)
        }
    }

    private func finish(_ pending: Pending, _ result: Replies) {
        pending.deadline?.cancel()
        pending.wait?.resolve(result)
        pending.ended?()
    }

    private func checkSilence() {
        guard let context else { return }
        let now = NIODeadline.now()
        switch phase {
        case .open:
            if let oldest = pending.first {
                if now - oldest.sentAt > configuration.unanswered { close(.unanswered) }
            } else if now - lastRead >= configuration.idle {
                pending.append(Pending(wait: nil, count: 1, sentAt: now))
                write(Self.ping, context)
            }
        case .subscribed:
            if now - lastRead > configuration.silence {
                close(.unanswered)
            } else if now - lastRead >= Self.watchInterval {
                write(Self.ping, context)
            }
        case .connecting, .closed: break
        }
    }

    private func end() {
        if case .closed = phase { return }
        phase = .closed
        watch?.cancel()
        let problem = problem ?? .closedByPeer
        opened.fail(problem)
        for pending in pending { finish(pending, .failure(.disconnected)) }
        pending.removeAll()
        ended.succeed(problem)
    }
}
