import DequeModule
import Domain
import Synchronization

/// The writes that the sandbox received. The oldest are removed beyond a million writes, or beyond 256 MiB of bodies.
final class SandboxJournal: Sendable {
    private static let writesMax = 1_000_000
    private static let bodyBytesMax = 256 << 20

    private struct Content {
        var writes: Deque<SandboxWrite> = []
        var bodyBytes = 0
        var sequence = 0
    }

    private let content = Mutex(Content())

    /// - Parameter makeWrite: Makes the write from its sequence number.
    func append(_ makeWrite: (Int) -> SandboxWrite) {
        content.withLock { content in
            content.sequence += 1
            let write = makeWrite(content.sequence)
            content.writes.append(write)
            content.bodyBytes += write.body.count
            while content.writes.count > Self.writesMax || content.bodyBytes > Self.bodyBytesMax,
                let oldest = content.writes.popFirst()
            {
                content.bodyBytes -= oldest.body.count
            }
        }
    }

    /// Up to `limit` writes after a sequence number, oldest first.
    func writes(after sequence: Int, limit: Int) -> [SandboxWrite] {
        content.withLock { content in
            guard let first = content.writes.first else { return [] }
            // The sequence numbers in the journal have no gaps.
            let start = min(max(0, sequence + 1 - first.sequence), content.writes.count)
            return Array(content.writes[start..<min(start + limit, content.writes.count)])
        }
    }

    /// Sequence numbers continue.
    func removeAll() {
        content.withLock { content in
            content.writes.removeAll()
            content.bodyBytes = 0
        }
    }
}
