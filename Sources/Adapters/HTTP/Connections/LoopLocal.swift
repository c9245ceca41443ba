import NIOCore
import NIOPosix

/// A value for each event loop, made when it is first asked for. All connections of the loop share it.
///
/// Safe because `ThreadSpecificVariable` has another value on each thread, and `of` must be called on the event loop.
final class LoopLocal<Value: AnyObject>: @unchecked Sendable {
    private final class Entry {
        let eventLoop: any EventLoop
        let value: Value

        init(_ eventLoop: any EventLoop, _ value: Value) {
            self.eventLoop = eventLoop
            self.value = value
        }
    }

    private let ofThread = ThreadSpecificVariable<Entry>()
    private let make: @Sendable (any EventLoop) -> Value

    init(_ make: @escaping @Sendable (any EventLoop) -> Value) {
        self.make = make
    }

    /// The value of `eventLoop`. Must be called on that loop.
    func of(_ eventLoop: any EventLoop) -> Value {
        eventLoop.assertInEventLoop()
        // Several loops without sockets may run on one thread.
        if let entry = ofThread.currentValue, entry.eventLoop === eventLoop { return entry.value }
        let value = make(eventLoop)
        ofThread.currentValue = Entry(eventLoop, value)
        return value
    }
}
