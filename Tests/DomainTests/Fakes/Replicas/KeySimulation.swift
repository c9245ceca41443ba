import Domain

/// Simulates replicas that share idempotency keys through a store, in virtual time. Everything follows from the seed.
///
/// Callers repeat changes with the same key at any replica, until they have a final answer and sometimes after it. Replicas are
/// killed, started and paused. Messages are lost, late and doubled, clocks differ by minutes, and the store suffers the faults
/// of `ReplicaFault`. The source executes changes late, refuses some, and its answers are lost or late.
package struct KeySimulation: Sendable {
    package struct Result: Sendable {
        /// The promises that were broken, in words.
        package var broken: [String] = []

        /// Changes that the source executed.
        package var executed = 0

        /// Changes that the source executed more than once, since the store lost their key.
        package var repeatedAfterLoss = 0

        /// Changes that the source executed more than once, since the caller removed their key.
        package var repeatedAfterRemoval = 0

        /// Final answers, those to repeated requests included.
        package var answers = 0

        /// Keys that are unknown at the end.
        package var unknown = 0

        /// Changes that were not sent, since their lease had ended.
        package var lapsed = 0

        /// Commands that the store has performed.
        package var commands = 0
    }

    var replicas = 3
    var changes = 6
    var faults: [ReplicaFault] = []

    /// The mean time between two faults, in microseconds.
    var faultInterval: Int64 = 8_000_000

    /// Whether callers remove unknown keys, and then send their change again.
    var callersRemove = false
    var network = UnreliableNetwork()

    static let rules = KeyLedger.Rules(lease: 30_000, window: 86_400)

    /// Faults and requests stop at this time. The rest shows what becomes of the keys.
    static let faultsEnd: Int64 = 90_000_000
    static let end: Int64 = 300_000_000

    /// Replicas with faults and unreliable messages.
    package static func withFaults(_ faults: [ReplicaFault], seed: UInt64) -> KeySimulation {
        var simulation = KeySimulation()
        simulation.faults = faults
        simulation.callersRemove = seed % 2 == 0
        simulation.network = UnreliableNetwork(
            lost: 0.02, late: 0.03, doubled: 0.02, latestArrival: seed % 3 == 0 ? 20_000_000 : 2_000_000)
        return simulation
    }

    /// Replicas without any fault. Only the source is slow.
    package static func withoutFaults() -> KeySimulation { KeySimulation() }

    /// - Parameter trace: Receives a line for each event.
    package func run(seed: UInt64, trace: ((String) -> Void)? = nil) -> Result {
        var run = KeySimulationRun(self, seed: seed, trace: trace)
        return run.result()
    }
}

extension KeySimulation {
    /// One event at a time in microseconds.
    enum Event {
        /// The caller of a change sends its request.
        case request(change: Int)
        case arrive(change: Int, replica: Int)
        case command(Call, KeyCommand, store: Int)
        case reply(Call, KeyReply)
        case timeout(Call)
        /// A replica has a permit of the rate limit, an access token and a connection.
        case permit(Write)
        case source(Write, attempt: Int)
        case sourceAnswer(Write, attempt: Int, SourceReply)
        case sourceTimeout(Write, attempt: Int)
        case read(Write)
        case answer(change: Int, Answer)
        case maintain(replica: Int, life: Int)
        case fault
        case pause
        case start(replica: Int)
        case endOfFaults
    }

    /// A request of a caller at one replica.
    struct Write {
        let change: Int
        let replica: Int
        let life: Int
        var claim: KeyClaim?
        let claimed: ClaimedWrite

        /// How often the change was sent.
        var attempts = 0

        /// The store's era when it confirmed the claim.
        var era = 0
    }

    /// A call of a replica to the store.
    struct Call {
        enum Purpose {
            case claim(KeyClaim)
            case willSend
            case end(KeyHolder.EndedClaim, Answer)
            case resolve
            case renew(KeyClaim)
            case remembered(KeyHolder.EndedClaim)
            case readToRemove
            case remove
        }

        let number: Int
        let change: Int
        let replica: Int
        let life: Int
        let purpose: Purpose

        /// nil for the replica's own calls.
        let write: Write?

        /// When the replica called, by its clock.
        let called: Moment
    }

    /// A request to the source.
    struct Attempt: Hashable {
        let token: Int64
        let attempt: Int
    }

    enum SourceReply {
        case done(execution: Int)
        case refused
        /// Not processed, and may be sent again.
        case rateLimited
    }

    enum Answer: Equatable {
        case done
        case refused
        case unknown
        /// The request can be repeated.
        case temporary
    }

    struct Change {
        var executions = 0
        var removals = 0
        var requests = 0

        /// The final answer that the caller has.
        var final: Answer?
        var finals = 0

        /// The last replica that has received the source's final answer.
        var known: Knowledge?

        /// An outcome was not recorded, since the store had another claim of the key.
        var isContested = false

        /// The last claim that the store has confirmed.
        var lastClaim: Int64?
    }

    /// A replica knows the outcome of a change.
    struct Knowledge {
        let replica: Int
        let life: Int
        let token: Int64

        /// The store's losses until then.
        let losses: Int
    }

    struct Replica {
        var life = 0
        var isUp = true
        var pausedUntil: Int64 = 0
        var holder = KeyHolder(lease: .milliseconds(KeySimulation.rules.lease))
        var openCalls: Set<Int> = []
        var openAttempts: Set<Attempt> = []

        /// The replica's clocks minus the virtual time: the monotonic one, and the civil one.
        let offset: Int64
        let civilOffset: Int64
        let drift: Int64
    }
}
