import NIOCore
import Synchronization

/// The commands of a client that wait for replies, on all connections together.
final class RedisQueue: Sendable {
    private struct Size {
        var commands = 0
        var bytes = 0
    }

    private let commandsMax: Int
    private let bytesMax: Int
    private let size = Mutex(Size())

    init(_ configuration: RedisConfiguration) {
        commandsMax = configuration.queueCommandsMax
        bytesMax = configuration.queueBytesMax
    }

    /// Adds commands, which leave the queue with their replies. The result must be sent.
    ///
    /// - Returns: nil if the queue is full.
    func batch(_ commands: [RedisCommand], deadline: NIODeadline) -> RedisConnection.Batch? {
        let bytes = RedisCommand.encoded(commands)
        let (count, byteCount) = (commands.count, bytes.readableBytes)
        let fits = size.withLock { size in
            guard size.commands + count <= commandsMax, size.bytes + byteCount <= bytesMax else { return false }
            size.commands += count
            size.bytes += byteCount
            return true
        }
        guard fits else { return nil }
        return RedisConnection.Batch(bytes: bytes, count: count, deadline: deadline, wait: RedisWait()) {
            self.size.withLock { size in
                size.commands -= count
                size.bytes -= byteCount
            }
        }
    }
}
