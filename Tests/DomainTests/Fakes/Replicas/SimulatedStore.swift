/// What happens to the replicas of a simulation, and to the store that they share.
package enum ReplicaFault: CaseIterable, Sendable {
    case replicaKilled
    case storeRestarted
    case storeRestoredFromLastSecond
    case storeEmptied
    case storeStalled
    case storeReplaced
    case storeMoved

    /// The faults after which the store has all that it has confirmed.
    package static let lossless: [ReplicaFault] = [.replicaKilled, .storeRestarted, .storeStalled]
}

/// The store that replicas share in a simulation. Times are microseconds of virtual time.
struct SimulatedStore<State> {
    private(set) var state: State
    private let empty: State

    /// Older states, of which the store may restore one.
    private var snapshots: [(at: Int64, state: State)] = []

    /// The store's clock minus the virtual time.
    private(set) var offset: Int64

    /// The number of the store: of those before, messages no longer arrive.
    private(set) var number = 0

    /// The store answers from this time on.
    private(set) var upAt: Int64 = 0
    private(set) var stalledUntil: Int64 = 0

    /// Identifies the server of the store since its start.
    private(set) var server: Int64 = 1

    /// How often the store has lost confirmed data.
    private(set) var losses = 0

    /// How often it has lost data or changed its clock.
    private(set) var era = 0

    /// By how much its clock was set back in all.
    private(set) var setBack: Int64 = 0

    /// How long a store is away at least that has lost everything.
    private let awayWhenEmptied: Int64

    /// 2026-01-31T12:00:00Z.
    static var day0: Int64 { 1_769_860_800_000_000 }

    init(_ state: State, awayWhenEmptied: Int64 = 20_000, using random: inout SeededRandom) {
        self.state = state
        self.awayWhenEmptied = awayWhenEmptied
        empty = state
        offset = .random(in: -300_000_000...300_000_000, using: &random)
    }

    /// The store's clock in microseconds since 1970.
    func clock(at now: Int64) -> Int64 { Self.day0 + now + offset }

    /// Changes the state as one transaction.
    mutating func transaction<Reply>(at now: Int64, _ body: (inout State, _ clock: Int64) -> Reply) -> Reply {
        snapshots.append((now, state))
        snapshots.removeFirst(snapshots.prefix { $0.at < now - 1_000_000 }.count)
        return body(&state, clock(at: now))
    }

    /// - Returns: Whether the connections to the store end.
    mutating func suffer(_ fault: ReplicaFault, at now: Int64, using random: inout SeededRandom) -> Bool {
        switch fault {
        case .replicaKilled: return false
        case .storeStalled:
            stalledUntil = now + .random(in: 10_000...4_000_000, using: &random)
            return false
        case .storeRestarted: restart(at: now, using: &random)
        case .storeRestoredFromLastSecond:
            restore(using: &random)
            restart(at: now, using: &random)
        case .storeEmptied:
            state = empty
            losses += 1
            era += 1
            restart(at: now, after: awayWhenEmptied, using: &random)
        case .storeReplaced:
            restore(using: &random)
            changeClock(by: 120_000_000, using: &random)
            restart(at: now, using: &random)
        case .storeMoved:
            changeClock(by: Bool.random(using: &random) ? 120_000_000 : 400_000, using: &random)
            snapshots = []
            server += 1
            era += 1
            return false
        }
        return true
    }

    private mutating func restore(using random: inout SeededRandom) {
        if let old = snapshots.randomElement(using: &random) { state = old.state }
        losses += 1
        era += 1
    }

    private mutating func changeClock(by limit: Int64, using random: inout SeededRandom) {
        let step = Int64.random(in: -limit...limit, using: &random)
        offset += step
        setBack += max(-step, 0)
    }

    private mutating func restart(at now: Int64, after least: Int64 = 20_000, using random: inout SeededRandom) {
        snapshots = []
        number += 1
        server += 1
        upAt = now + .random(in: least...6_000_000, using: &random)
    }
}
