import Glibc
import Synchronization

/// The number of shards of a counter, and the shard of the calling thread. Event loops that count concurrently seldom share a
/// shard.
enum MetricShards {
    static let count: Int = {
        let processors = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_CONF))))
        var count = 2
        while count < min(2 * processors, 64) { count *= 2 }
        return count
    }()

    /// The shard of the calling thread. Threads may share a shard, which is slower but correct.
    static var current: Int {
        // The multiplication spreads thread identities, which differ by the size of a stack.
        Int(truncatingIfNeeded: (UInt64(pthread_self()) >> 12 &* 0x9E37_79B9_7F4A_7C15) >> 40) & (count - 1)
    }
}

/// An atomic counter, sharded by thread to avoid contention.
final class ShardedCount: Sendable {
    /// Padded to a cache line, against false sharing.
    private final class Cell: Sendable {
        let value = Atomic<Int>(0)
        private let padding = InlineArray<6, Int>(repeating: 0)
    }

    private let cells = (0..<MetricShards.count).map { _ in Cell() }

    func add(_ amount: Int) {
        cells[MetricShards.current].value.add(amount, ordering: .relaxed)
    }

    var total: Int { cells.reduce(0) { $0 &+ $1.value.load(ordering: .relaxed) } }
}
