import Synchronization

/// Random numbers that spread times, so that they do not coincide. Not for secrets: only the first number needs a system call
/// (SplitMix64).
package final class Jitter: Sendable {
    private let state = Atomic<UInt64>(.random(in: .min ... .max))

    package init() {}

    /// The next number, from 0 to below 1.
    package func next() -> Double {
        var bits = state.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue
        bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        return Double((bits ^ bits >> 31) >> 11) * 0x1p-53
    }
}
