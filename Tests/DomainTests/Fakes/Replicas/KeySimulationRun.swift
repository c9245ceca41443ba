import Domain

/// One run of a `KeySimulation`: what the replicas, the callers, the store and the source do.
struct KeySimulationRun {
    typealias Event = KeySimulation.Event
    typealias Write = KeySimulation.Write
    typealias Call = KeySimulation.Call
    typealias Answer = KeySimulation.Answer

    let simulation: KeySimulation
    let trace: ((String) -> Void)?
    var random: SeededRandom
    var time = VirtualTime<Event>()
    var store: SimulatedStore<[KeyLedger]>
    var replicas: [KeySimulation.Replica] = []
    var changes: [KeySimulation.Change]
    var results = KeySimulation.Result()
    var isQuiet = false
    private var lastCall = 0
    private let keys: [CallerKey]

    /// How long a replica waits for the store, and for the source.
    private static let callTime: Int64 = 1_000_000
    private static let sourceTime: Int64 = 10_000_000
    private static let attemptsMax = 3
    private static let requestsMax = 12

    init(_ simulation: KeySimulation, seed: UInt64, trace: ((String) -> Void)?) {
        self.simulation = simulation
        self.trace = trace
        random = SeededRandom(seed: seed)
        store = SimulatedStore(
            [KeyLedger](repeating: KeyLedger(), count: simulation.changes), using: &random)
        changes = .init(repeating: .init(), count: simulation.changes)
        keys = (0..<simulation.changes).compactMap { number in
            IdempotencyKey("\(number)").map { CallerKey(caller: Name(literal: "caller"), master: nil, key: $0) }
        }
        for index in 0..<simulation.replicas {
            replicas.append(newReplica())
            scheduleMaintenance(index)
        }
        for change in changes.indices {
            schedule(.request(change: change), in: .random(in: 0...40_000_000, using: &random))
        }
        if !simulation.faults.isEmpty {
            scheduleFault()
            schedule(.pause, in: .random(in: 1...40_000_000, using: &random))
        }
        schedule(.endOfFaults, in: KeySimulation.faultsEnd)
    }

    mutating func newReplica() -> KeySimulation.Replica {
        KeySimulation.Replica(
            offset: .random(in: 0...600_000_000, using: &random),
            civilOffset: .random(in: -300_000_000...300_000_000, using: &random),
            drift: .random(in: -200...200, using: &random))
    }

    mutating func result() -> KeySimulation.Result {
        while let event = time.next(until: KeySimulation.end) {
            trace?("\(now) \(event)")
            handle(event)
        }
        checkEnd()
        return results
    }

    // MARK: Time

    var now: Int64 { time.now }

    mutating func schedule(_ event: Event, in delay: Int64) { time.schedule(event, in: delay) }

    mutating func chance(_ probability: Double) -> Bool {
        Double.random(in: 0..<1, using: &random) < probability
    }

    private func moment(_ replica: Int) -> Moment {
        let replica = replicas[replica]
        return Moment(sinceOrigin: .microseconds(replica.offset + now + now / 1_000_000 * replica.drift))
    }

    private func timestamp(_ replica: Int) -> Timestamp {
        let microseconds = SimulatedStore<[KeyLedger]>.day0 + now + replicas[replica].civilOffset
        return Timestamp(secondsSinceEpoch: microseconds / 1_000_000)
    }

    func isRunning(_ replica: Int, _ life: Int) -> Bool {
        replicas[replica].isUp && replicas[replica].life == life
    }

    /// A paused replica handles its events later.
    private mutating func isPaused(_ replica: Int, _ event: Event) -> Bool {
        guard replicas[replica].isUp, replicas[replica].pausedUntil > now else { return false }
        schedule(event, in: replicas[replica].pausedUntil - now)
        return true
    }

    // MARK: Events

    private mutating func handle(_ event: Event) {
        switch event {
        case .request(let change): request(change)
        case .arrive(let change, let replica):
            if !isPaused(replica, event) { begin(change, replica) }
        case .command(let call, let command, let number): perform(command, call, number)
        case .reply(let call, let reply):
            if !isPaused(call.replica, event), close(call) { received(reply, call) }
        case .timeout(let call):
            if !isPaused(call.replica, event), close(call) { failed(call) }
        case .permit(let write):
            if !isPaused(write.replica, event), isRunning(write.replica, write.life) { permitted(write) }
        case .source(let write, let attempt): execute(write, attempt)
        case .sourceAnswer(let write, let attempt, let reply):
            if !isPaused(write.replica, event) { sourceAnswered(write, attempt, reply) }
        case .sourceTimeout(let write, let attempt):
            if !isPaused(write.replica, event) { sourceTimedOut(write, attempt) }
        case .read(let write):
            if !isPaused(write.replica, event), isRunning(write.replica, write.life) { read(write) }
        case .answer(let change, let answer): answered(change, answer)
        case .maintain(let replica, let life):
            if !isPaused(replica, event), isRunning(replica, life) { maintain(replica) }
        case .fault: fault()
        case .pause: pause()
        case .start(let replica): start(replica)
        case .endOfFaults: isQuiet = true
        }
    }

    // MARK: Callers

    private mutating func request(_ change: Int) {
        guard !isQuiet else { return }
        changes[change].requests += 1
        guard changes[change].requests <= Self.requestsMax else { return }
        let replica = Int.random(in: replicas.indices, using: &random)
        schedule(.arrive(change: change, replica: replica), in: .random(in: 500...20_000, using: &random))
        // Impatient callers send it twice.
        if chance(0.1) { schedule(.request(change: change), in: .random(in: 1000...5_000_000, using: &random)) }
    }

    private mutating func answered(_ change: Int, _ answer: Answer) {
        let pause = Int64.random(in: 200_000...12_000_000, using: &random)
        switch answer {
        case .done, .refused:
            results.answers += 1
            changes[change].finals += 1
            check(answer, of: change)
            if changes[change].finals < 3, chance(0.7) { schedule(.request(change: change), in: pause) }
        case .unknown:
            if simulation.callersRemove, changes[change].final == nil, chance(0.5) { remove(change) }
            schedule(.request(change: change), in: pause)
        case .temporary: schedule(.request(change: change), in: pause)
        }
    }

    /// The caller decides that the outcome of its change is settled.
    private mutating func remove(_ change: Int) {
        let replica = Int.random(in: replicas.indices, using: &random)
        guard replicas[replica].isUp, replicas[replica].pausedUntil <= now else { return }
        call(.read(at: timestamp(replica)), change, replica, .readToRemove)
    }

    // MARK: Replicas

    private mutating func begin(_ change: Int, _ replica: Int) {
        guard replicas[replica].isUp else {
            return schedule(.answer(change: change, .temporary), in: 1000)
        }
        let claim = KeyClaim(key: keys[change], fencingToken: .random(in: 1 ... .max, using: &random))
        let request = KeyedRequest(
            operation: .updateBasePlan, account: AccountID(literal: "account"),
            digest: [UInt8](repeating: UInt8(change), count: KeyedRequest.digestCount))
        let write = Write(
            change: change, replica: replica, life: replicas[replica].life, claim: nil,
            claimed: ClaimedWrite(request, at: timestamp(replica)))
        recordRemembered(replica)
        call(.claim(write.claimed, token: claim.fencingToken), change, replica, .claim(claim), write)
    }

    private mutating func permitted(_ write: Write) {
        guard let claim = write.claim else { return }
        // The caller has gone before anything was sent.
        if write.attempts == 0, chance(0.03) { return end(write, .released, .temporary) }
        if write.attempts == 0 {
            call(.willSend(token: claim.fencingToken), write.change, write.replica, .willSend, write)
        } else {
            send(write)
        }
    }

    private mutating func send(_ write: Write) {
        guard let claim = write.claim else { return }
        guard replicas[write.replica].holder.maySend(claim, at: moment(write.replica)) else {
            results.lapsed += 1
            return end(write, .released, .temporary)
        }
        var write = write
        write.attempts += 1
        checkSending(write, claim)
        let attempt = write.attempts
        replicas[write.replica].openAttempts.insert(.init(token: claim.fencingToken, attempt: attempt))
        schedule(.sourceTimeout(write, attempt: attempt), in: Self.sourceTime)
        // A pause that is longer than the lease.
        if !simulation.faults.isEmpty, !isQuiet, chance(0.03) {
            replicas[write.replica].pausedUntil = now + .random(in: 25_000_000...45_000_000, using: &random)
        }
        // No connection: the request has provably not been sent.
        if chance(0.05) { return schedule(.sourceAnswer(write, attempt: attempt, .rateLimited), in: 1000) }
        if chance(0.03) { return }
        schedule(
            .source(write, attempt: attempt),
            in: chance(0.05) ? .random(in: 50_000...20_000_000, using: &random) : 20_000)
    }

    private mutating func sourceAnswered(_ write: Write, _ attempt: Int, _ reply: KeySimulation.SourceReply) {
        guard isRunning(write.replica, write.life), close(write, attempt) else { return }
        switch reply {
        case .done(let execution):
            learned(write)
            let document = SourceDocument(text: Array("\(execution)".utf8))
            end(write, .finished(.done(document), at: timestamp(write.replica)), .done)
        case .refused:
            learned(write)
            let refusal = SourceRefusal(kind: .refused, code: 2100, message: "")
            end(write, .finished(.refused(refusal), at: timestamp(write.replica)), .refused)
        case .rateLimited where write.attempts < Self.attemptsMax:
            schedule(.permit(write), in: .random(in: 100_000...(chance(0.2) ? 40_000_000 : 3_000_000), using: &random))
        case .rateLimited: end(write, .released, .temporary)
        }
    }

    private mutating func sourceTimedOut(_ write: Write, _ attempt: Int) {
        guard isRunning(write.replica, write.life), close(write, attempt) else { return }
        end(write, .unknown, .unknown)
    }

    /// The replica has received the source's answer.
    private mutating func learned(_ write: Write) {
        guard let claim = write.claim else { return }
        changes[write.change].known = KeySimulation.Knowledge(
            replica: write.replica, life: write.life, token: claim.fencingToken, losses: store.losses)
    }

    /// Whether the replica still waits for the source's answer to an attempt.
    private mutating func close(_ write: Write, _ attempt: Int) -> Bool {
        guard let claim = write.claim else { return false }
        let attempt = KeySimulation.Attempt(token: claim.fencingToken, attempt: attempt)
        return replicas[write.replica].openAttempts.remove(attempt) != nil
    }

    /// The account shows the change if the source has executed it.
    private mutating func read(_ write: Write) {
        guard changes[write.change].executions > 0, !chance(0.05) else {
            return schedule(.answer(change: write.change, .unknown), in: 1000)
        }
        let command = KeyCommand.resolve(
            .done(nil), at: timestamp(write.replica), digest: write.claimed.request.digest)
        call(command, write.change, write.replica, .resolve, write)
    }

    private mutating func end(_ write: Write, _ ending: KeyHolder.Ending, _ answer: Answer) {
        guard let claim = write.claim else { return }
        let ended = replicas[write.replica].holder.end(claim, ending)
        call(ended.command, write.change, write.replica, .end(ended, answer), write)
    }

    // MARK: Leases

    mutating func scheduleMaintenance(_ replica: Int) {
        let interval = Int64(replicas[replica].holder.maintenanceInterval / .microseconds(1))
        schedule(.maintain(replica: replica, life: replicas[replica].life), in: interval)
    }

    private mutating func maintain(_ replica: Int) {
        recordRemembered(replica)
        for claim in replicas[replica].holder.runningClaims {
            guard let command = replicas[replica].holder.renewal(of: claim), let change = keys.firstIndex(of: claim.key)
            else { continue }
            call(command, change, replica, .renew(claim))
        }
        scheduleMaintenance(replica)
    }

    private mutating func recordRemembered(_ replica: Int) {
        for ended in replicas[replica].holder.unrecordedClaims {
            guard let change = keys.firstIndex(of: ended.claim.key) else { continue }
            call(ended.command, change, replica, .remembered(ended))
        }
    }

    // MARK: Calls to the store

    private mutating func call(
        _ command: KeyCommand, _ change: Int, _ replica: Int, _ purpose: Call.Purpose, _ write: Write? = nil
    ) {
        lastCall += 1
        let call = Call(
            number: lastCall, change: change, replica: replica, life: replicas[replica].life, purpose: purpose,
            write: write, called: moment(replica))
        replicas[replica].openCalls.insert(call.number)
        schedule(.timeout(call), in: Self.callTime)
        for latency in simulation.network.latencies(using: &random) {
            schedule(.command(call, command, store: store.number), in: latency)
        }
    }

    /// Whether the replica still waits for the reply.
    private mutating func close(_ call: Call) -> Bool {
        isRunning(call.replica, call.life) && replicas[call.replica].openCalls.remove(call.number) != nil
    }

    private mutating func received(_ reply: KeyReply, _ call: Call) {
        let replica = call.replica
        switch call.purpose {
        case .claim(let claim):
            guard var write = call.write else { return }
            switch reply {
            case .recorded(let record, _): recorded(record, write)
            case .done:
                write.claim = claim
                write.era = store.era
                replicas[replica].holder.claimed(claim, for: write.claimed)
                schedule(.permit(write), in: .random(in: 1000...(chance(0.1) ? 40_000_000 : 2_000_000), using: &random))
            case .refused, .free, .removal: results.broken.append("a claim was answered with \(reply)")
            }
        case .willSend:
            guard let write = call.write, let claim = write.claim else { return }
            guard reply == .done else { return end(write, .released, .temporary) }
            replicas[replica].holder.willSend(claim, called: call.called)
            send(write)
        case .end(_, let answer): schedule(.answer(change: call.change, answer), in: 1000)
        case .resolve: schedule(.answer(change: call.change, .done), in: 1000)
        case .renew(let claim): replicas[replica].holder.renewed(claim, reply, called: call.called)
        case .remembered(let ended): replicas[replica].holder.recorded(ended)
        case .readToRemove:
            guard case .recorded(let record, let token) = reply, record.state == .unknown else { return }
            changes[call.change].removals += 1
            self.call(.remove(token: token, isFinished: false), call.change, replica, .remove)
        case .remove: break
        }
    }

    private mutating func recorded(_ record: KeyRecord, _ write: Write) {
        switch record.state {
        case .running: schedule(.answer(change: write.change, .temporary), in: 1000)
        case .finished(.done): schedule(.answer(change: write.change, .done), in: 1000)
        case .finished(.refused): schedule(.answer(change: write.change, .refused), in: 1000)
        case .unknown: schedule(.read(write), in: .random(in: 20_000...500_000, using: &random))
        }
    }

    /// The store has not answered in time. It may have performed the command.
    private mutating func failed(_ call: Call) {
        switch call.purpose {
        case .claim(let claim):
            replicas[call.replica].holder.mayHaveClaimed(claim)
            schedule(.answer(change: call.change, .temporary), in: 1000)
        case .willSend:
            if let write = call.write { end(write, .released, .temporary) }
        case .end(let ended, let answer):
            replicas[call.replica].holder.remember(ended)
            schedule(.answer(change: call.change, answer), in: 1000)
        case .resolve: schedule(.answer(change: call.change, .temporary), in: 1000)
        case .renew, .remembered, .readToRemove, .remove: break
        }
    }
}
