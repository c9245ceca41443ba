import CHTTP2
import Dispatch
package import NIOCore
import ServiceLifecycle

/// Gives memory that is no longer used back to the system when nothing is under way.
///
/// By itself glibc keeps nearly all that it ever had: after a thousand connections or a stream to a slow reader, what is
/// resident stays at its peak. Fewer arenas, which is what is mostly advised, save 2 to 7 % of that and cost more time than they
/// save; jemalloc gives as much back as this does, and would be one more library in every container
/// (`Benchmarks/malloc.py`).
package struct FreedMemory: Service {
    private let load: ServerLoad
    private let eventLoop: any EventLoop

    private static let interval = TimeAmount.seconds(5)

    /// Less is not worth the walk through all that is free.
    private static let idleBytesMin = 16 << 20

    /// - Parameters:
    ///   - load: Says whether anything is under way.
    ///   - eventLoop: One that serves no requests.
    package init(load: ServerLoad, eventLoop: any EventLoop) {
        self.load = load
        self.eventLoop = eventLoop
    }

    package func run() async throws {
        var left = 0
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            let alarm = eventLoop.scheduleTask(in: Self.interval) {}
            await cancelWhenGracefulShutdown {
                await withTaskCancellationHandler {
                    try? await alarm.futureResult.get()
                } onCancel: {
                    alarm.cancel()
                }
            }
            // What could not be given back the last time cannot be this time.
            if load.requestsInFlight == 0, let rest = await Self.giveBack(above: left + Self.idleBytesMin) {
                left = rest
            }
        }
    }

    /// Gives back what is resident and not used, if it is so much.
    ///
    /// - Returns: What is left of it; `nil` if it is not so much. On a thread of its own: each arena is locked for as long as it is
    ///   looked at.
    private static func giveBack(above bytesMin: Int) async -> Int? {
        await withCheckedContinuation { continuation in
            DispatchQueue.global(qos: .background).async {
                guard idleBytes >= bytesMin else { return continuation.resume(returning: nil) }
                malloc_trim(0)
                continuation.resume(returning: idleBytes)
            }
        }
    }

    /// Memory of the heap that is resident and that nobody uses (mallinfo(3)).
    private static var idleBytes: Int {
        let heap = mallinfo2()
        return max(0, ProcessStatistics.anonymousBytes - Int(heap.uordblks) - Int(heap.hblkhd))
    }
}
