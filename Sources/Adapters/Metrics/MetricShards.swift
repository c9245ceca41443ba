import Glibc
import Synchronization

/// How many copies of a count there are: event loops that count at the same moment mostly each have a place of their own to do
/// it in.
enum MetricShards {
    static let count: Int = {
        let processors = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_CONF))))
        var count = 2
        while count < min(2 * processors, 64) { count *= 2 }
        return count
    }()

    /// The place of the thread that calls. Two that have the same one lose nothing but a moment.
    static var current: Int {
        // Multiplied, since the identities of threads lie the size of a stack apart.
        Int(truncatingIfNeeded: (UInt64(pthread_self()) >> 12 &* 0x9E37_79B9_7F4A_7C15) >> 40) & (count - 1)
    }
}

/// A count, kept in several places.
final class ShardedCount: Sendable {
    /// As large as a line of the processor's cache, or neighbours would be in each other's way all the same.
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
