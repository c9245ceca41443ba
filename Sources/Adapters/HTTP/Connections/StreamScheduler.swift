package import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#endif

/// Divides the time of one event loop between streamed bodies and everything else on it.
///
/// NIO runs all tasks that are ready before it polls its sockets again. A stream whose reader takes megabytes at a time
/// would therefore keep the requests of other connections waiting. All streams of a loop together get one slice between
/// two polls: `sliceBytesMax` bytes and `sliceTimeMax`. Work beyond that waits, first come, first served, until the loop
/// has polled its sockets.
///
/// Confined to its event loop.
package final class StreamScheduler {
    /// The largest TLS record four times over: large enough that the system calls do not count.
    package static let sliceBytesMax = 65_536

    /// A tenth of what a request may take in the server before somebody notices. Streams look at the clock every few
    /// lines, so a slice can be some 50 microseconds longer.
    package static let sliceTimeMax = TimeAmount.microseconds(200)

    private let eventLoop: any EventLoop
    private let poll: LoopPoll

    /// When the slice under way began; `nil` before the first work since the last poll.
    private var began: NIODeadline?
    private var sentBytes = 0
    private var waiting = CircularBuffer<() -> Void>()

    /// Safe because the variable is thread-local: no two threads share a value.
    nonisolated(unsafe) private static let ofThread = ThreadSpecificVariable<StreamScheduler>()

    /// The scheduler of `eventLoop`. To be called on that loop.
    package static func of(_ eventLoop: any EventLoop) -> StreamScheduler {
        eventLoop.assertInEventLoop()
        if let scheduler = ofThread.currentValue, scheduler.eventLoop === eventLoop { return scheduler }
        let scheduler = StreamScheduler(eventLoop)
        ofThread.currentValue = scheduler
        return scheduler
    }

    private init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        poll = LoopPoll(eventLoop)
    }

    /// Whether the streams have used up their slice.
    var isSliceOver: Bool {
        guard let began else { return false }
        return sentBytes >= Self.sliceBytesMax || NIODeadline.now() - began >= Self.sliceTimeMax
    }

    /// Whether a stream may do more work now. If not, it calls `enqueue`. Begins a slice if there is none.
    func mayContinue() -> Bool {
        guard began != nil else {
            begin()
            return true
        }
        return !isSliceOver
    }

    /// Counts bytes of a streamed body that go to the socket.
    func sent(bytes: Int) {
        if began == nil { begin() }
        sentBytes += bytes
    }

    /// Runs `work` in the next slice, behind the work that waits already.
    func enqueue(_ work: @escaping () -> Void) {
        if began == nil { begin() }
        waiting.append(work)
    }

    /// Runs `work` now if the slice has room and nothing waits before it, and in one of the next slices otherwise.
    func run(_ work: @escaping () -> Void) {
        if waiting.isEmpty, mayContinue() { work() } else { enqueue(work) }
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

    /// One piece of work at a time: a producer that is resumed runs as the loop's next task, and uses the slice then.
    private func runNext() {
        guard !waiting.isEmpty, mayContinue() else { return }
        waiting.removeFirst()()
        guard !waiting.isEmpty else { return }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute { bound.value.runNext() }
    }
}

/// Tells when an event loop has polled its sockets.
///
/// `EventLoop.execute` cannot: what it schedules runs before the loop polls. So a byte is written to a pipe that the loop
/// itself reads, and the events that the same poll found on other sockets are handled first.
private final class LoopPoll {
    private enum Pipe {
        case opening
        case open(any Channel)
        /// The loop is a test's, which polls nothing, or is shutting down; or no more files can be opened.
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

    /// Calls `body` once the loop has polled its sockets and handled what it found. For one caller at a time.
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
        // Behind the events of this poll.
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
