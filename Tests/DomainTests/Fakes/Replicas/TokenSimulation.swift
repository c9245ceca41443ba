import Domain

/// Simulates replicas that share the access token of an app through a store, in virtual time. Everything follows from the seed.
///
/// Replicas use the token, refresh it before it expires, and replace it when the source refuses it. They are killed, started
/// and paused. Messages are lost, late and doubled, and the store suffers the faults of `ReplicaFault`. Replies of the source's
/// token endpoint are lost or late. At times the client secret changes, which each replica notices at another time.
package struct TokenSimulation: Sendable {
    package struct Result: Sendable {
        /// The promises that were broken, in words.
        package var broken: [String] = []

        /// Tokens that the source has issued.
        package var issued = 0

        /// Those among them that were requested without a right, since the store was away.
        package var unfenced = 0

        /// The longest time of a replica without a usable token, in microseconds, while the source was not the reason.
        package var longestWait: Int64 = 0

        /// Requests that the source refused because of their token.
        package var refused = 0
        package var replicasKilled = 0
    }

    var replicas = 3

    /// Whether a new token ends the older ones.
    package var isSuperseding = false
    var faults: [ReplicaFault] = []

    /// The shortest time between two faults, and the mean time beyond it, in microseconds.
    var faultGap: Int64 = 0
    var faultInterval: Int64 = 8_000_000
    var pauses = false
    var rotates = false

    /// The fraction of the token requests whose reply is lost or late.
    var lostReplies = 0.0
    var network = UnreliableNetwork()
    var lifetime: Int64 = 120

    static let faultsEnd: Int64 = 150_000_000
    static let end: Int64 = 240_000_000

    package init() {}

    /// Replicas with faults and unreliable messages.
    package static func withFaults(_ faults: [ReplicaFault], seed: UInt64) -> TokenSimulation {
        var simulation = TokenSimulation()
        simulation.isSuperseding = seed % 2 == 0
        simulation.faults = faults
        simulation.pauses = true
        simulation.rotates = seed % 3 == 0
        simulation.lostReplies = 0.1
        simulation.network = UnreliableNetwork(lost: 0.01, late: 0.02, doubled: 0.02)
        return simulation
    }

    /// Replicas of which one is killed at times, one after another, with a store and a source that always answer.
    package static func withKilledReplicas(seed: UInt64) -> TokenSimulation {
        var simulation = TokenSimulation()
        simulation.isSuperseding = seed % 2 == 0
        simulation.faults = [.replicaKilled]
        // So that no wait is that for two killed replicas.
        simulation.faultGap = 20_000_000
        simulation.rotates = true
        return simulation
    }

    /// Replicas whose secret changes once. The token is not refreshed otherwise.
    package static func withRotation(isSuperseding: Bool) -> TokenSimulation {
        var simulation = TokenSimulation()
        simulation.isSuperseding = isSuperseding
        simulation.rotates = true
        simulation.lifetime = 3600
        return simulation
    }

    /// - Parameter trace: Receives a line for each event.
    package func run(seed: UInt64, trace: ((String) -> Void)? = nil) -> Result {
        var run = TokenSimulationRun(self, seed: seed, trace: trace)
        return run.result()
    }
}

extension TokenSimulation {
    /// One event at a time in microseconds.
    enum Event {
        /// A request to the source needs a token.
        case use(replica: Int, life: Int)
        case answer(replica: Int, life: Int, token: AccessToken, isValid: Bool)
        case step(replica: Int, life: Int, acquisition: Int)
        case command(Call, Command, store: Int)
        case reply(Call, Reply)
        case timeout(Call)
        case issue(Request)
        case issued(Request, AccessToken?)
        case sourceTimeout(Request)
        case rotate
        case notice(replica: Int, secret: UInt8)
        case fault
        case pause
        case start(replica: Int)
        case endOfFaults
    }

    enum Command {
        case lookUp
        case begin
        case end(TokenFence)
        case put(AccessToken, TokenFence?)
    }

    enum Reply {
        case token(AccessToken?)
        case right(TokenRefreshRight)
        case done
    }

    /// A call of a replica to the store.
    struct Call {
        let number: Int
        let replica: Int
        let life: Int
        let acquisition: Int
        let command: Command

        /// When the replica called, by its clock.
        let called: Moment
    }

    /// A request to the source's token endpoint.
    struct Request {
        let replica: Int
        let life: Int
        let acquisition: Int
        let fence: TokenFence?
        let secret: UInt8
    }

    struct Replica {
        var life = 0
        var isUp = true
        var pausedUntil: Int64 = 0
        var openCalls: Set<Int> = []
        var token: AccessToken?
        var refused: Secret?
        var schedule = TokenRefresh()
        var acquisition: (number: Int, value: TokenAcquisition)?
        var acquisitions = 0

        /// No request for a token before this time, after a failure.
        var retryAt: Int64 = 0

        /// Since when the replica has no usable token.
        var waitsSince: Int64?

        /// The secret that the replica knows, and the one of its last acquisition.
        var secret: UInt8 = 0
        var lastSecret: UInt8?

        /// The replica's clock minus the virtual time.
        let offset: Int64
    }
}
