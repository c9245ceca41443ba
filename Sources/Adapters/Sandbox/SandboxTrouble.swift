import Domain
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Selects the faults and latencies of requests. The same seed and order of requests give the same selection.
final class SandboxTrouble: Sendable {
    struct Entry {
        let fault: SandboxFault

        /// The number of matching requests, and the number that the fault was applied to.
        var seen = 0
        var spoiled = 0
    }

    private struct State {
        var entries: [Entry]
        var requests: UInt64 = 0
    }

    private let seed: UInt64
    private let latency: Duration
    private let state: Mutex<State>

    /// The standard deviation of the logarithm of latencies: the 99th percentile is 3.2 times the median.
    private static let spread = 0.5

    /// - Parameter latency: The median; zero for no latency.
    init(faults: [SandboxFault], latency: Duration, seed: UInt64) {
        self.seed = seed
        self.latency = latency
        state = Mutex(State(entries: faults.map { Entry(fault: $0) }))
    }

    /// The fault or the latency of a request; nil for a normal response at once. The first matching fault applies.
    func next(_ operation: SandboxOperation, _ account: String) -> (delay: Duration, fault: SandboxFault?)? {
        state.withLock { state in
            if state.entries.isEmpty, latency == .zero { return nil }
            state.requests += 1
            var delay = Duration.zero
            if latency > .zero { delay = latency * exp(Self.spread * normal(state.requests)) }
            for index in state.entries.indices where state.entries[index].isFor(operation, account) {
                state.entries[index].seen += 1
                let entry = state.entries[index]
                let chance = uniform(UInt64(index + 1) << 40 ^ UInt64(entry.seen))
                guard entry.seen > entry.fault.skip, entry.spoiled < entry.fault.times,
                    chance < entry.fault.probability
                else { continue }
                state.entries[index].spoiled += 1
                if entry.fault.kind == .latency { delay += entry.fault.delay }
                return (delay, entry.fault)
            }
            return delay > .zero ? (delay, nil) : nil
        }
    }

    func add(_ fault: SandboxFault) {
        state.withLock { $0.entries.append(Entry(fault: fault)) }
    }

    func removeAll() {
        state.withLock { $0.entries.removeAll() }
    }

    var entries: [Entry] { state.withLock { $0.entries } }

    /// A random number from 0 up to but not including 1.
    private func uniform(_ number: UInt64) -> Double {
        Double(SandboxAccounts.mix(SandboxAccounts.mix(seed) ^ number) >> 11) * 0x1p-53
    }

    /// A normally distributed random number (Box-Muller transform).
    private func normal(_ number: UInt64) -> Double {
        let radius = (-2 * log(1 - uniform(number &* 2))).squareRoot()
        return radius * cos(2 * .pi * uniform(number &* 2 &+ 1))
    }
}

extension SandboxTrouble.Entry {
    fileprivate func isFor(_ operation: SandboxOperation, _ account: String) -> Bool {
        (fault.operation ?? operation) == operation && (fault.account ?? account) == account
    }
}
