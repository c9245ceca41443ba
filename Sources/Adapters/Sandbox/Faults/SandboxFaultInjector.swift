import Domain
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Decides the latency and the fault of each request. The same seed and the same order of requests give the same results.
final class SandboxFaultInjector: Sendable {
    struct Entry {
        let fault: SandboxFault

        /// The number of matching requests, and how many of them were affected.
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

    /// The standard deviation of the logarithm of latencies. The 99th percentile is 3.2 times the median.
    private static let spread = 0.5

    /// - Parameter latency: The median latency; zero for none.
    init(faults: [SandboxFault], latency: Duration, seed: UInt64) {
        self.seed = seed
        self.latency = latency
        state = Mutex(State(entries: faults.map { Entry(fault: $0) }))
    }

    /// The latency and fault of a request; `nil` for neither. If several faults match, the first one applies.
    func next(_ operation: SandboxOperation, _ account: String) -> (delay: Duration, fault: SandboxFault?)? {
        state.withLock { state in
            if state.entries.isEmpty, latency == .zero { return nil }
            state.requests += 1
            var delay = Duration.zero
            if latency > .zero { delay = latency * exp(Self.spread * normal(state.requests)) }
            for index in state.entries.indices where state.entries[index].matches(operation, account) {
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

    /// A pseudo-random number, from 0 to below 1.
    private func uniform(_ number: UInt64) -> Double {
        Double(SandboxAccounts.mix(SandboxAccounts.mix(seed) ^ number) >> 11) * 0x1p-53
    }

    /// A pseudo-random number of the standard normal distribution (Box-Muller transform).
    private func normal(_ number: UInt64) -> Double {
        let radius = (-2 * log(1 - uniform(number &* 2))).squareRoot()
        return radius * cos(2 * .pi * uniform(number &* 2 &+ 1))
    }
}

extension SandboxFaultInjector.Entry {
    fileprivate func matches(_ operation: SandboxOperation, _ account: String) -> Bool {
        (fault.operation ?? operation) == operation && (fault.account ?? account) == account
    }
}
