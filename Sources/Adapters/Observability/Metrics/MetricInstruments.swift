import CoreMetrics
import Synchronization

/// The handler of a `Counter`.
final class CounterInstrument: CounterHandler {
    private let count = ShardedCount()

    func increment(by amount: Int64) { count.add(Int(amount)) }

    /// Does nothing: Prometheus would take a counter that decreases for a restart of the process.
    func reset() {}

    var total: Double { Double(count.total) }
}

/// The handler of a `FloatingPointCounter`; counts billionths.
final class FractionCounterInstrument: FloatingPointCounterHandler {
    private let count = ShardedCount()
    private static let parts = 1e9

    func increment(by amount: Double) {
        guard amount > 0, amount < 1e9 else { return }
        count.add(Int(amount * Self.parts))
    }

    func reset() {}

    var total: Double { Double(count.total) / Self.parts }
}

/// The handler of a `Meter`, and of a `Recorder` that does not aggregate.
final class GaugeInstrument: MeterHandler, RecorderHandler {
    private let bits = Atomic<UInt64>(0)

    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func set(_ value: Int64) { set(Double(value)) }

    func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }

    func increment(by amount: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + amount).bitPattern
            let (isDone, now) = bits.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
            if isDone { return }
            old = now
        }
    }

    func decrement(by amount: Double) { increment(by: -amount) }

    func record(_ value: Int64) { set(value) }

    func record(_ value: Double) { set(value) }
}

/// The handler of a `Timer`, and of a `Recorder` that aggregates: a histogram of seconds.
final class HistogramInstrument: TimerHandler, RecorderHandler {
    /// Maximum number of bounds, without `+Inf`.
    static let boundsMax = 23

    private final class Shard: Sendable {
        let counts = InlineArray<24, Atomic<Int>> { _ in Atomic(0) }
        let nanoseconds = Atomic<Int>(0)
    }

    private let bounds: [Int64]
    private let shards = (0..<MetricShards.count).map { _ in Shard() }

    /// - Parameter bounds: In seconds, ascending.
    init(bounds: [Double]) {
        precondition(bounds.count <= Self.boundsMax, "a histogram with more bounds than there is room for")
        self.bounds = bounds.map { Int64($0 * 1e9) }
    }

    func recordNanoseconds(_ duration: Int64) {
        let shard = shards[MetricShards.current]
        var index = 0
        while index < bounds.count, duration > bounds[index] { index += 1 }
        shard.counts[index].add(1, ordering: .relaxed)
        shard.nanoseconds.add(Int(duration), ordering: .relaxed)
    }

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) { recordNanoseconds(Int64(max(0, min(value, 1e9)) * 1e9)) }

    /// The count of each bucket, not cumulative and with the `+Inf` bucket last; and the sum in seconds.
    var snapshot: (counts: [Int], sum: Double) {
        var counts = [Int](repeating: 0, count: bounds.count + 1)
        var nanoseconds = 0
        for shard in shards {
            for index in counts.indices { counts[index] += shard.counts[index].load(ordering: .relaxed) }
            nanoseconds += shard.nanoseconds.load(ordering: .relaxed)
        }
        return (counts, Double(nanoseconds) / 1e9)
    }
}
