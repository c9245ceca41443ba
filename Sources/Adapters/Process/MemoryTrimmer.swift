import CHTTP2
import Dispatch
package import NIOCore
import ServiceLifecycle

/// Returns free heap memory to the system (malloc_trim(3)) while no request is in flight.
///
/// glibc rarely returns memory by itself: after a thousand connections or a stream to a slow reader, resident memory stays at
/// its peak. Fewer arenas, the usual advice, save only 2 to 7 % and cost more time than they save. jemalloc returns as much as
/// this does, but adds a library to every container (`Benchmarks/malloc.py`).
package struct MemoryTrimmer: Service {
    private let load: ServerLoad
    private let eventLoop: any EventLoop

    private static let interval = TimeAmount.seconds(5)

    /// Minimum free memory that is worth a walk through the heap.
    private static let idleBytesMin = 16 << 20

    /// - Parameters:
    ///   - load: Reports the requests in flight.
    ///   - eventLoop: An event loop that serves no requests.
    package init(load: ServerLoad, eventLoop: any EventLoop) {
        self.load = load
        self.eventLoop = eventLoop
    }

    package func run() async throws {
        var remaining = 0
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            let timer = eventLoop.scheduleTask(in: Self.interval) {}
            await cancelWhenGracefulShutdown {
                await withTaskCancellationHandler {
                    try? await timer.futureResult.get()
                } onCancel: {
                    timer.cancel()
                }
            }
            // Memory that could not be returned the last time is not counted again.
            if load.requestsInFlight == 0, let bytes = await Self.trim(above: remaining + Self.idleBytesMin) {
                remaining = bytes
            }
        }
    }

    /// Returns free resident memory to the system if it is at least `bytesMin`.
    ///
    /// Runs on a background thread, since it locks each arena while it walks through it.
    ///
    /// - Returns: The free bytes that remain; `nil` if nothing was done.
    private static func trim(above bytesMin: Int) async -> Int? {
        await withCheckedContinuation { continuation in
            DispatchQueue.global(qos: .background).async {
                guard idleBytes >= bytesMin else { return continuation.resume(returning: nil) }
                malloc_trim(0)
                continuation.resume(returning: idleBytes)
            }
        }
    }

    /// Free heap memory that is resident (mallinfo(3)).
    private static var idleBytes: Int {
        let heap = mallinfo2()
        return max(0, ProcessStatistics.anonymousBytes - Int(heap.uordblks) - Int(heap.hblkhd))
    }
}
