import Domain

/// Simulates replicas that share a rate limit through a store, in virtual time. Everything follows from the seed.
///
/// Replicas are killed and started, clocks differ by minutes and drift, timers fire late, messages are lost, late and doubled,
/// and the store stops, stalls, loses its last second or everything, and is replaced by one with another clock, or moves there
/// without a pause and without loss, as a slot of a cluster does.
package struct ReplicaSimulation: Sendable {
    package struct Load: Sendable {
        /// Whether bulk requests always wait.
        package var hasBulk: Bool

        /// Interactive requests per second.
        package var interactive: Double

        package init(hasBulk: Bool, interactive: Double) {
            self.hasBulk = hasBulk
            self.interactive = interactive
        }
    }

    package struct Result: Sendable {
        /// Requests that reached the source.
        package var requests = 0

        /// The same by replica.
        package var requestsOf: [Int] = []

        /// The most requests in any second.
        package var mostInOneSecond = 0

        /// Requests to the store.
        package var messages = 0

        /// Interactive requests that were refused.
        package var refused = 0

        /// How long granted interactive requests waited for their permit, in microseconds.
        package var waits: [Int64] = []
        package var seconds = 0.0

        /// The slots that the ledger counts at the end of the simulation.
        package var spent: Int64 = 0

        package func used(of limit: Int) -> Double { Double(requests) / (Double(limit) * seconds) }
    }

    package var limit = 20
    package var perDay: Int?
    package var loads: [Load] = []
    package var faults: [ReplicaFault] = []

    /// The mean time between two faults, in microseconds.
    package var faultInterval: Int64 = 5_000_000

    private var network = UnreliableNetwork()

    /// The fraction of the timers that fire 5 to 50 ms late, as on a busy machine. The others are up to 1.5 ms late.
    package var lateTimers = 0.01

    package init() {}

    /// Replicas with faults and unreliable messages. Limit and load follow from the seed.
    package static func withFaults(_ faults: [ReplicaFault], seed: UInt64) -> ReplicaSimulation {
        var simulation = ReplicaSimulation()
        simulation.limit = [3, 20, 60][Int(seed % 3)]
        let lookups = Double(simulation.limit) / 30
        simulation.loads = [true, seed % 2 == 0, false].map { Load(hasBulk: $0, interactive: lookups) }
        simulation.faults = faults
        simulation.network = UnreliableNetwork(lost: 0.002, late: 0.01, doubled: 0.01)
        return simulation
    }

    /// - Parameter trace: Receives a line for each event.
    package func run(seconds: Int64, seed: UInt64, trace: ((String) -> Void)? = nil) -> Result {
        var run = Run(self, seed: seed, end: seconds * 1_000_000, trace: trace)
        return run.result()
    }

    /// One event at a time in microseconds.
    private enum Event {
        case wake(Int, generation: Int)
        case arrival(of: Int)
        case demand(Int)
        case ask(Int, life: Int, ask: Int, SlotRequest, store: Int)
        case reply(Int, life: Int, ask: Int, SlotReply)
        case timeout(Int, life: Int, ask: Int)
        case fault
        case start(Int)
    }

    private struct Replica {
        var life = 0
        var isUp = true
        var id: Int64 = 0
        var budget: RateBudget
        var clockOffset: Int64
        var drift: Int64
        var generation = 0
        var asks = 0
        var openAsk: Int?
        var tickets: RateBudget.Ticket = 0
        var bulk: Set<RateBudget.Ticket> = []
        var entered: [RateBudget.Ticket: Int64] = [:]
    }

    private struct Run {
        let simulation: ReplicaSimulation
        var random: SeededRandom
        let end: Int64
        var time = VirtualTime<Event>()
        var replicas: [Replica] = []
        var store: SimulatedStore<SlotLedger>
        var recent: [Int64] = []
        var results = Result()
        let rules: RateBudget.Rules
        let trace: ((String) -> Void)?

        /// Slots that an emptied store has forgotten are a second old after this time. A faster one could grant them again to a
        /// replica that has not asked since.
        static let forgottenTime: Int64 = 1_800_000

        init(_ simulation: ReplicaSimulation, seed: UInt64, end: Int64, trace: ((String) -> Void)?) {
            self.trace = trace
            self.simulation = simulation
            self.end = end
            random = SeededRandom(seed: seed)
            store = SimulatedStore(SlotLedger(), awayWhenEmptied: Self.forgottenTime, using: &random)
            rules = RateBudget.Rules(perSecond: simulation.limit, perDay: simulation.perDay)
            results.requestsOf = simulation.loads.map { _ in 0 }
            for index in simulation.loads.indices {
                replicas.append(newReplica())
                schedule(.demand(index), in: .random(in: 0..<200_000, using: &random))
            }
            if !simulation.faults.isEmpty { scheduleFault() }
        }

        mutating func newReplica() -> Replica {
            var replica = Replica(
                budget: RateBudget(sharing: rules, replicas: simulation.loads.count),
                clockOffset: .random(in: 0...600_000_000, using: &random),
                drift: .random(in: -200...200, using: &random))
            replica.id = .random(in: 1...Int64.max >> 12, using: &random)
            return replica
        }

        var now: Int64 { time.now }

        mutating func schedule(_ event: Event, in delay: Int64) { time.schedule(event, in: delay) }

        mutating func scheduleFault() {
            schedule(.fault, in: Int64.random(in: 1...simulation.faultInterval * 2, using: &random))
        }

        func moment(_ replica: Replica) -> Moment {
            Moment(sinceOrigin: .microseconds(replica.clockOffset + now + now / 1_000_000 * replica.drift))
        }

        func timestamp(_ replica: Replica) -> Timestamp {
            Timestamp(
                secondsSinceEpoch: (SimulatedStore<SlotLedger>.day0 + now + replica.clockOffset - 300_000_000)
                    / 1_000_000)
        }

        mutating func result() -> Result {
            while let event = time.next(until: end) {
                if let trace { trace("\(now) \(event)") }
                handle(event)
            }
            results.seconds = Double(end) / 1_000_000
            results.spent = store.state.spentToday
            return results
        }

        mutating func handle(_ event: Event) {
            switch event {
            case .wake(let index, let generation):
                if replicas[index].isUp, replicas[index].generation == generation { advance(index) }
            case .arrival(let index): arrive(from: index)
            case .demand(let index): demand(index)
            case .ask(let index, let life, let ask, let request, let store):
                // A connection ends with its store.
                if store == self.store.number { take(request, index, life, ask) }
            case .reply(let index, let life, let ask, let reply):
                guard isOpen(index, life, ask) else { return }
                replicas[index].openAsk = nil
                let replica = replicas[index]
                replicas[index].budget.received(
                    reply, replicas: simulation.loads.count, at: moment(replica), timestamp(replica))
                advance(index)
            case .timeout(let index, let life, let ask):
                guard isOpen(index, life, ask) else { return }
                replicas[index].openAsk = nil
                replicas[index].budget.failed(at: moment(replicas[index]))
                advance(index)
            case .fault:
                fault()
                scheduleFault()
            case .start(let index):
                let life = replicas[index].life
                replicas[index] = newReplica()
                replicas[index].life = life
                advance(index)
            }
        }

        func isOpen(_ index: Int, _ life: Int, _ ask: Int) -> Bool {
            replicas[index].isUp && replicas[index].life == life && replicas[index].openAsk == ask
        }

        // MARK: Replicas

        mutating func demand(_ index: Int) {
            let load = simulation.loads[index]
            let mean = load.interactive > 0 ? 1_000_000 / load.interactive : 500_000
            schedule(.demand(index), in: Int64(mean * Double.random(in: 0.2..<1.8, using: &random)))
            guard replicas[index].isUp else { return }
            if load.interactive > 0 {
                let replica = replicas[index]
                replicas[index].tickets += 1
                let ticket = replicas[index].tickets
                switch replicas[index].budget.enter(
                    ticket, for: .interactive(for: nil), queueTimeout: .seconds(10), at: moment(replica),
                    timestamp(replica))
                {
                case .granted:
                    results.waits.append(0)
                    send(index)
                case .queued: replicas[index].entered[ticket] = now
                case .refused: results.refused += 1
                }
            }
            advance(index)
        }

        mutating func enterBulk(_ index: Int) {
            guard simulation.loads[index].hasBulk else { return }
            while replicas[index].bulk.count < 8 {
                let replica = replicas[index]
                replicas[index].tickets += 1
                let ticket = replicas[index].tickets
                switch replicas[index].budget.enter(
                    ticket, for: .bulk, queueTimeout: nil, at: moment(replica), timestamp(replica))
                {
                case .granted: send(index)
                case .queued: replicas[index].bulk.insert(ticket)
                case .refused: return
                }
            }
        }

        mutating func send(_ index: Int) {
            schedule(.arrival(of: index), in: .random(in: 500...2500, using: &random))
        }

        /// Performs all steps of a replica that are due, and sends its request to the ledger.
        mutating func advance(_ index: Int) {
            enterBulk(index)
            replicas[index].generation += 1
            let current = moment(replicas[index])
            let civil = timestamp(replicas[index])
            stepping: while true {
                switch replicas[index].budget.step(at: current, civil) {
                case .idle: break stepping
                case .wait(let moment):
                    let delay = (moment - current) / .microseconds(1)
                    schedule(
                        .wake(index, generation: replicas[index].generation),
                        in: Int64(delay.rounded(.up)) + timerDelay())
                    break stepping
                case .grant(let ticket):
                    if let entered = replicas[index].entered.removeValue(forKey: ticket) {
                        results.waits.append(now - entered)
                    }
                    replicas[index].bulk.remove(ticket)
                    send(index)
                    enterBulk(index)
                case .refuse(let ticket, _):
                    if replicas[index].entered.removeValue(forKey: ticket) != nil { results.refused += 1 }
                    // It waits for a moment before it tries again, as a job does.
                    if replicas[index].bulk.remove(ticket) != nil { break stepping }
                }
            }
            guard let request = replicas[index].budget.takeRequest(at: current) else { return }
            ask(index, request)
        }

        mutating func timerDelay() -> Int64 {
            let isBusy = Double.random(in: 0..<1, using: &random) < simulation.lateTimers
            return .random(in: isBusy ? 5000...50_000 : 50...1500, using: &random)
        }

        mutating func ask(_ index: Int, _ request: SlotRequest) {
            replicas[index].asks += 1
            let (life, number) = (replicas[index].life, replicas[index].asks)
            replicas[index].openAsk = number
            results.messages += 1
            schedule(.timeout(index, life: life, ask: number), in: 200_000 + timerDelay())
            for latency in simulation.network.latencies(using: &random) {
                schedule(.ask(index, life: life, ask: number, request, store: store.number), in: latency)
            }
        }

        // MARK: The store

        mutating func take(_ request: SlotRequest, _ index: Int, _ life: Int, _ ask: Int) {
            if now < store.stalledUntil {
                return schedule(
                    .ask(index, life: life, ask: ask, request, store: store.number), in: store.stalledUntil - now)
            }
            // A store that has just started grants no slots, since it may have forgotten some.
            guard now >= store.upAt else { return }
            let id = replicas[index].id
            let rules = rules.ofLedger
            let server = store.server
            let reply = store.transaction(at: now) { $0.take(request, by: id, rules, at: $1, of: server) }
            if let trace { trace("\(now) \(reply) \(store.state)") }
            if let latency = simulation.network.latency(using: &random) {
                schedule(.reply(index, life: life, ask: ask, reply), in: latency)
            }
        }

        // MARK: The source

        mutating func arrive(from index: Int) {
            results.requests += 1
            results.requestsOf[index] += 1
            recent.removeFirst(recent.prefix { $0 <= now - 1_000_000 }.count)
            recent.append(now)
            results.mostInOneSecond = max(results.mostInOneSecond, recent.count)
            if let trace { trace("\(now) arrival of \(index), \(recent.count) in a second") }
        }

        // MARK: Faults

        mutating func fault() {
            guard let fault = simulation.faults.randomElement(using: &random) else { return }
            if fault == .replicaKilled {
                let index = Int.random(in: replicas.indices, using: &random)
                guard replicas[index].isUp else { return }
                replicas[index].isUp = false
                replicas[index].life += 1
                return schedule(.start(index), in: .random(in: 100_000...5_000_000, using: &random))
            }
            guard store.suffer(fault, at: now, using: &random) else { return }
            // Open requests fail at once, since their connection has ended.
            for index in replicas.indices where replicas[index].isUp && replicas[index].openAsk != nil {
                replicas[index].openAsk = nil
                replicas[index].budget.failed(at: moment(replicas[index]))
                advance(index)
            }
        }
    }
}
