package import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#endif

/// Divides the time of one event loop between streamed bodies and all other work.
///
/// NIO runs all ready tasks before it polls its sockets again. A stream whose reader accepts megabytes at a time would
/// therefore delay the requests of other connections. All streams of a loop share one slice between two polls:
/// `sliceBytesMax` bytes and `sliceTimeMax`. Further work waits in a FIFO queue until the loop has polled its sockets.
///
/// Confined to its event loop.
package final class StreamScheduler {
    /// About 100 microseconds of writing to a socket in clear text. A byte costs a third less CPU time than in slices of
    /// 64 KiB, and requests beside a stream are answered as fast.
    package static let sliceBytesMax = 262_144

    /// What streams may send between two polls however long it takes. Otherwise no stream would continue on a machine so slow
    /// that each slice is over before its work begins.
    private static let sliceBytesMin = 65_536

    /// A tenth of the latency that a client would notice. Streams check the clock only every few lines, so a slice can be
    /// about 50 microseconds longer.
    package static let sliceTimeMax = TimeAmount.microseconds(200)

    private let eventLoop: any EventLoop
    private let poll: LoopPoll

    /// The start of the current slice; `nil` if no stream has worked since the last poll.
    private var began: NIODeadline?
    private var sentBytes = 0
    private var waiting = CircularBuffer<() -> Void>()

    private static let schedulers = LoopLocal { StreamScheduler($0) }

    /// The scheduler of `eventLoop`. Must be called on that loop.
    package static func of(_ eventLoop: any EventLoop) -> StreamScheduler { schedulers.of(eventLoop) }

    private init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        poll = LoopPoll(eventLoop)
    }

    /// Whether the current slice is used up.
    private var isSliceOver: Bool {
        guard let began else { return false }
        return sentBytes >= Self.sliceBytesMax || NIODeadline.now() - began >= Self.sliceTimeMax
    }

    /// Whether a stream may do more work now; if not, it calls `enqueue`. Starts a slice if there is none.
    func mayContinue() -> Bool {
        guard began != nil else {
            begin()
            return true
        }
        return !isSliceOver
    }

    /// Whether a stream may send more now; if not, it calls `enqueue`. `sent` starts a slice if there is none.
    func maySend() -> Bool { sentBytes < Self.sliceBytesMin || !isSliceOver }

    /// Counts bytes of a streamed body that were written to the socket.
    func sent(bytes: Int) {
        if began == nil { begin() }
        sentBytes += bytes
    }

    /// Runs `work` in the next slice, after the work already queued.
    func enqueue(_ work: @escaping () -> Void) {
        if began == nil { begin() }
        waiting.append(work)
    }

    /// Runs `work` now if the slice has room and the queue is empty, otherwise in a later slice. Returns whether it ran.
    @discardableResult
    func run(_ work: @escaping () -> Void) -> Bool {
        guard waiting.isEmpty, mayContinue() else {
            enqueue(work)
            return false
        }
        work()
        return true
    }

    private func begin() {
        began = .now()
        poll.afterNext { self.polled() }
    }

    private func polled() {
        began = nil
        sentBytes = 0
        runNext()
    }

    /// Runs one item at a time: a resumed producer runs as the loop's next task and uses the slice then.
    private func runNext() {
        guard !waiting.isEmpty, mayContinue() else { return }
        waiting.removeFirst()()
        guard !waiting.isEmpty else { return }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute { bound.value.runNext() }
    }
}

/// Reports when an event loop has polled its sockets.
///
/// `EventLoop.execute` does not help: its tasks run before the loop polls. This type writes a byte to a pipe that the loop
/// itself reads; the other events of the same poll are handled first.
private final class LoopPoll {
    private enum Pipe {
        case opening
        case open(any Channel)
        /// No pipe: the loop is a test loop or is shutting down, or no file descriptor is available.
        case none
    }

    private let eventLoop: any EventLoop
    private var pipe = Pipe.opening
    private var waiter: (() -> Void)?

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        open()
    }

    private func open() {
        var ends: [CInt] = [-1, -1]
        guard let bootstrap = NIOPipeBootstrap(validatingGroup: eventLoop), Glibc.pipe(&ends) == 0 else {
            pipe = .none
            return
        }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        bootstrap
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(PollHandler(poll: bound.value))
                }
            }
            .takingOwnershipOfDescriptors(input: ends[0], output: ends[1])
            .whenComplete { result in
                let poll = bound.value
                switch result {
                case .success(let channel): poll.pipe = .open(channel)
                case .failure: poll.pipe = .none
                }
                if poll.waiter != nil { poll.request() }
            }
    }

    /// Calls `body` after the loop has polled its sockets and handled the events. Only one call may be pending.
    func afterNext(_ body: @escaping () -> Void) {
        waiter = body
        request()
    }

    private func request() {
        switch pipe {
        case .opening: break
        case .open(let channel): channel.writeAndFlush(ByteBuffer(integer: UInt8(0)), promise: nil)
        case .none: polled()
        }
    }

    fileprivate func closed() {
        pipe = .none
        polled()
    }

    fileprivate func polled() {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        // After the other events of this poll.
        eventLoop.execute {
            let poll = bound.value
            guard let waiter = poll.waiter else { return }
            poll.waiter = nil
            waiter()
        }
    }
}

private final class PollHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let poll: LoopPoll

    init(poll: LoopPoll) {
        self.poll = poll
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        poll.polled()
    }

    func channelInactive(context: ChannelHandlerContext) {
        poll.closed()
        context.fireChannelInactive()
    }
}
