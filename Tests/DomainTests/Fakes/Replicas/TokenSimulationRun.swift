import Domain

/// One run of a `TokenSimulation`: what the replicas, the store and the source do.
struct TokenSimulationRun {
    typealias Event = TokenSimulation.Event
    typealias Call = TokenSimulation.Call
    typealias Request = TokenSimulation.Request

    let simulation: TokenSimulation
    let trace: ((String) -> Void)?
    var random: SeededRandom
    var time = VirtualTime<Event>()
    var store: SimulatedStore<TokenLedger<AccessToken>>
    var replicas: [TokenSimulation.Replica] = []
    var results = TokenSimulation.Result()
    private var isQuiet = false
    private var lastCall = 0

    /// The secret that the source accepts.
    private var secret: UInt8 = 0

    /// The tokens that the source has issued: the second in which each expires.
    private var valid: [String: Int64] = [:]

    /// The number of the last right with which a token was issued, and the store's era.
    private var lastFence: (number: Int64, era: Int)?
    private var lastIssued: (token: AccessToken, at: Int64)?

    /// The store's era when it received the last token.
    private var lastIssuedStoredIn: Int?

    /// The store's era when it granted each right.
    private var rights: [Int64: Int] = [:]
    private static let grantedTwice = -1

    private static let callTime: Int64 = 1_000_000
    private static let sourceTime: Int64 = 10_000_000

    init(_ simulation: TokenSimulation, seed: UInt64, trace: ((String) -> Void)?) {
        self.simulation = simulation
        self.trace = trace
        random = SeededRandom(seed: seed)
        store = SimulatedStore(TokenLedger(), using: &random)
        for index in 0..<simulation.replicas {
            replicas.append(newReplica())
            schedule(.use(replica: index, life: 0), in: .random(in: 0...2_000_000, using: &random))
        }
        if !simulation.faults.isEmpty { scheduleFault() }
        if simulation.pauses { schedule(.pause, in: .random(in: 1...60_000_000, using: &random)) }
        if simulation.rotates { schedule(.rotate, in: .random(in: 5_000_000...80_000_000, using: &random)) }
        schedule(.endOfFaults, in: TokenSimulation.faultsEnd)
    }

    private mutating func newReplica() -> TokenSimulation.Replica {
        var replica = TokenSimulation.Replica(offset: .random(in: 0...600_000_000, using: &random))
        replica.secret = secret
        return replica
    }

    mutating func result() -> TokenSimulation.Result {
        while let event = time.next(until: TokenSimulation.end) {
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
        Moment(sinceOrigin: .microseconds(replicas[replica].offset + now))
    }

    /// Expiry needs civil clocks that agree to some seconds.
    private var timestamp: Timestamp {
        Timestamp(secondsSinceEpoch: (SimulatedStore<Int>.day0 + now) / 1_000_000)
    }

    private func isRunning(_ replica: Int, _ life: Int) -> Bool {
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
        case .use(let replica, let life):
            if !isPaused(replica, event), isRunning(replica, life) { use(replica) }
        case .answer(let replica, let life, let token, let isValid):
            if !isPaused(replica, event), isRunning(replica, life), !isValid { refused(replica, token) }
        case .step(let replica, let life, let number):
            guard !isPaused(replica, event), isRunning(replica, life),
                replicas[replica].acquisition?.number == number
            else { return }
            replicas[replica].acquisition?.value.waited()
            step(replica)
        case .command(let call, let command, let number): perform(command, call, number)
        case .reply(let call, let reply):
            if !isPaused(call.replica, event), close(call) { received(reply, call) }
        case .timeout(let call):
            if !isPaused(call.replica, event), close(call) { failed(call) }
        case .issue(let request): issue(request)
        case .issued(let request, let token):
            if !isPaused(request.replica, event), isOpen(request) { received(token, request) }
        case .sourceTimeout(let request):
            if !isPaused(request.replica, event), isOpen(request) { received(nil, request) }
        case .rotate:
            secret += 1
            for replica in replicas.indices {
                schedule(
                    .notice(replica: replica, secret: secret), in: .random(in: 1000...1_000_000, using: &random))
            }
        case .notice(let replica, let secret):
            replicas[replica].secret = secret
            if replicas[replica].isUp, replicas[replica].token != nil { acquire(replica) }
        case .fault: fault()
        case .pause: pause()
        case .start(let replica): start(replica)
        case .endOfFaults: isQuiet = true
        }
    }

    // MARK: Replicas

    private mutating func use(_ replica: Int) {
        schedule(
            .use(replica: replica, life: replicas[replica].life), in: .random(in: 500_000...4_000_000, using: &random))
        let current = moment(replica)
        if let token = replicas[replica].token, let until = replicas[replica].schedule.usableUntil, current < until {
            let isValid = isValid(token)
            if !isValid { results.refused += 1 }
            schedule(
                .answer(replica: replica, life: replicas[replica].life, token: token, isValid: isValid),
                in: .random(in: 5000...200_000, using: &random))
            if let due = replicas[replica].schedule.due, due <= current { acquire(replica) }
            return
        }
        if replicas[replica].waitsSince == nil { replicas[replica].waitsSince = now }
        if replicas[replica].schedule.pause(at: current) <= .seconds(2) { acquire(replica) }
    }

    private mutating func refused(_ replica: Int, _ token: AccessToken) {
        guard replicas[replica].token == token else { return }
        replicas[replica].token = nil
        replicas[replica].refused = token.text
        replicas[replica].schedule.refused(at: moment(replica), using: &random)
    }

    private mutating func acquire(_ replica: Int) {
        guard replicas[replica].acquisition == nil, replicas[replica].retryAt <= now else { return }
        let secret = replicas[replica].secret
        let isRotation = replicas[replica].lastSecret.map { $0 != secret } ?? false
        replicas[replica].lastSecret = secret
        replicas[replica].acquisitions += 1
        let wanted = TokenAcquisition.Wanted(
            refused: replicas[replica].refused, current: replicas[replica].token,
            secretDigest: isRotation ? [secret] : nil)
        let acquisition = TokenAcquisition(wanted, isShared: true, at: moment(replica))
        replicas[replica].acquisition = (replicas[replica].acquisitions, acquisition)
        step(replica)
    }

    private mutating func step(_ replica: Int) {
        guard let (number, acquisition) = replicas[replica].acquisition else { return }
        let life = replicas[replica].life
        switch acquisition.step {
        case .lookUp: call(.lookUp, replica, number)
        case .wait(let duration):
            schedule(
                .step(replica: replica, life: life, acquisition: number), in: Int64(duration / .microseconds(1)))
        case .begin: call(.begin, replica, number)
        case .end(let fence): call(.end(fence), replica, number)
        case .request(let fence):
            let request = Request(
                replica: replica, life: life, acquisition: number, fence: fence, secret: replicas[replica].secret)
            schedule(.issue(request), in: .random(in: 5000...500_000, using: &random))
            schedule(.sourceTimeout(request), in: Self.sourceTime)
        case .use(let token):
            replicas[replica].acquisition = nil
            adopt(token, replica, isOurs: false)
        }
    }

    private mutating func adopt(_ token: AccessToken, _ replica: Int, isOurs: Bool) {
        replicas[replica].token = token
        replicas[replica].refused = nil
        let lifetime = Duration.seconds(token.expires.secondsSinceEpoch - timestamp.secondsSinceEpoch)
        replicas[replica].schedule.obtained(
            lifetime: lifetime, isOurs: isOurs, at: moment(replica), using: &random)
        if let since = replicas[replica].waitsSince { results.longestWait = max(results.longestWait, now - since) }
        replicas[replica].waitsSince = nil
    }

    private func isOpen(_ request: Request) -> Bool {
        isRunning(request.replica, request.life)
            && replicas[request.replica].acquisition?.number == request.acquisition
    }

    /// - Parameter token: nil if the source has refused the request, or has not answered.
    private mutating func received(_ token: AccessToken?, _ request: Request) {
        let replica = request.replica
        replicas[replica].acquisition = nil
        guard let token else {
            replicas[replica].schedule.failed(at: moment(replica))
            replicas[replica].retryAt = now + 2_000_000
            if let fence = request.fence { call(.end(fence), replica, request.acquisition) }
            return
        }
        call(.put(token, request.fence), replica, request.acquisition)
        adopt(token, replica, isOurs: true)
    }

    // MARK: Calls to the store

    private mutating func call(_ command: TokenSimulation.Command, _ replica: Int, _ acquisition: Int) {
        lastCall += 1
        let call = Call(
            number: lastCall, replica: replica, life: replicas[replica].life, acquisition: acquisition,
            command: command, called: moment(replica))
        replicas[replica].openCalls.insert(call.number)
        schedule(.timeout(call), in: Self.callTime)
        for latency in simulation.network.latencies(using: &random) {
            schedule(.command(call, command, store: store.number), in: latency)
        }
    }

    /// Whether the replica still waits for the reply.
    private mutating func close(_ call: Call) -> Bool {
        isRunning(call.replica, call.life) && replicas[call.replica].openCalls.remove(call.number) != nil
            && replicas[call.replica].acquisition?.number == call.acquisition
    }

    private mutating func received(_ reply: TokenSimulation.Reply, _ call: Call) {
        guard var acquisition = replicas[call.replica].acquisition else { return }
        let current = moment(call.replica)
        // A pause that is longer than the right.
        if simulation.pauses, !isQuiet, case .right(.granted) = reply, chance(0.05) {
            replicas[call.replica].pausedUntil = now + .random(in: 2_000_000...15_000_000, using: &random)
        }
        switch reply {
        case .token(let token): acquisition.value.found(token, at: current, timestamp, using: &random)
        case .right(let right): acquisition.value.answered(right, called: call.called, at: current)
        case .done: acquisition.value.ended()
        }
        replicas[call.replica].acquisition = acquisition
        step(call.replica)
    }

    /// The store has not answered in time.
    private mutating func failed(_ call: Call) {
        switch call.command {
        case .lookUp: received(.token(nil), call)
        case .begin: received(.right(.none), call)
        case .end: received(.done, call)
        case .put: break
        }
    }

    private mutating func perform(_ command: TokenSimulation.Command, _ call: Call, _ number: Int) {
        guard number == store.number, now >= store.upAt else { return }
        if now < store.stalledUntil {
            return schedule(.command(call, command, store: number), in: store.stalledUntil - now)
        }
        let timestamp = timestamp
        let before = store.state
        let reply = store.transaction(at: now) { ledger, clock -> TokenSimulation.Reply in
            switch command {
            case .lookUp: return .token(ledger.token(at: clock))
            case .begin:
                return .right(ledger.begin(at: clock).map { .granted(TokenFence(number: $0)) } ?? .held)
            case .end(let fence): _ = ledger.end(fence.number, at: clock)
            case .put(let token, let fence):
                let seconds = max(token.expires.secondsSinceEpoch - timestamp.secondsSinceEpoch, 1)
                _ = ledger.put(token, number: fence?.number, lifetime: seconds * 1_000_000, at: clock)
            }
            return .done
        }
        if case .put(let token, let fence?) = command, rights[fence.number] == store.era {
            checkStored(token, before: before)
        }
        if case .right(.granted(let fence)) = reply {
            // A store that has lost the last right, and whose clock was set back, can grant its number again. Nothing is promised
            // for the tokens of these two rights.
            rights[fence.number] = rights[fence.number] == nil ? store.era : Self.grantedTwice
        }
        if case .put(let token, _) = command, token == lastIssued?.token { lastIssuedStoredIn = store.era }
        trace?("\(now) \(reply)")
        if let latency = simulation.network.latency(using: &random) { schedule(.reply(call, reply), in: latency) }
    }

    // MARK: The source

    private func isValid(_ token: AccessToken) -> Bool {
        guard let expires = valid[Self.name(of: token)] else { return false }
        return expires > timestamp.secondsSinceEpoch
    }

    private static func name(of token: AccessToken) -> String {
        token.text.reveal { span in String(decoding: span.indices.map { span[$0] }, as: UTF8.self) }
    }

    private mutating func issue(_ request: Request) {
        guard request.secret == secret else {
            return schedule(.issued(request, nil), in: 10_000)
        }
        results.issued += 1
        if request.fence == nil { results.unfenced += 1 }
        checkOrder(request)
        let name = "token \(results.issued)"
        if simulation.isSuperseding { valid = [:] }
        let token = AccessToken(
            text: Secret(in: PlainSecret(name)), scopes: nil,
            expires: Timestamp(secondsSinceEpoch: timestamp.secondsSinceEpoch + simulation.lifetime),
            secretDigest: [request.secret])
        valid[name] = token.expires.secondsSinceEpoch
        lastIssued = (token, now)
        lastIssuedStoredIn = nil
        if !isQuiet, chance(simulation.lostReplies) {
            if chance(0.5) { schedule(.issued(request, token), in: .random(in: 500_000...9_000_000, using: &random)) }
            return
        }
        schedule(.issued(request, token), in: .random(in: 5000...300_000, using: &random))
    }

    // MARK: Faults

    private mutating func scheduleFault() {
        schedule(.fault, in: simulation.faultGap + .random(in: 1...simulation.faultInterval * 2, using: &random))
    }

    private mutating func fault() {
        guard !isQuiet, let fault = simulation.faults.randomElement(using: &random) else { return }
        scheduleFault()
        trace?("\(now) \(fault)")
        if fault == .replicaKilled {
            let index = Int.random(in: replicas.indices, using: &random)
            guard replicas[index].isUp else { return }
            results.replicasKilled += 1
            replicas[index].isUp = false
            replicas[index].life += 1
            schedule(.start(replica: index), in: .random(in: 100_000...5_000_000, using: &random))
        } else {
            _ = store.suffer(fault, at: now, using: &random)
        }
    }

    private mutating func pause() {
        guard !isQuiet else { return }
        let index = Int.random(in: replicas.indices, using: &random)
        replicas[index].pausedUntil = now + .random(in: 100_000...20_000_000, using: &random)
        schedule(.pause, in: .random(in: 1...60_000_000, using: &random))
    }

    private mutating func start(_ index: Int) {
        let life = replicas[index].life
        replicas[index] = newReplica()
        replicas[index].life = life
        schedule(.use(replica: index, life: life), in: 1000)
    }

    // MARK: What must hold

    private mutating func broken(_ text: String) {
        trace?("\(now) BROKEN: \(text)")
        results.broken.append(text)
    }

    /// Tokens are issued in the order of their rights, so that the token with the latest right is the valid one.
    private mutating func checkOrder(_ request: Request) {
        guard let fence = request.fence, rights[fence.number] == store.era else { return }
        if let last = lastFence, last.era == store.era, last.number >= fence.number {
            broken("a token was issued for the right \(fence.number) after that of \(last.number), at \(now)")
        }
        lastFence = (fence.number, store.era)
    }

    /// A token with a right does not replace one that is valid where a new token ends the older ones.
    private mutating func checkStored(_ token: AccessToken, before: TokenLedger<AccessToken>) {
        var before = before
        var after = store.state
        let clock = store.clock(at: now)
        guard let old = before.token(at: clock), old != token, isValid(old), !isValid(token) else { return }
        if after.token(at: clock) == token { broken("an invalid token has replaced a valid one, at \(now)") }
    }

    /// When the faults have ended and no refresh is under way, all replicas use a valid token, and the store has one.
    private mutating func checkEnd() {
        guard let lastIssued, now - lastIssued.at > 15_000_000, replicas.allSatisfy({ $0.acquisition == nil }) else {
            return
        }
        for (index, replica) in replicas.enumerated() {
            guard let token = replica.token, isValid(token) else {
                broken("replica \(index) has no valid token")
                continue
            }
        }
        // A store that has lost data, or has not received the token, may have an older one until the next refresh.
        guard lastIssuedStoredIn == store.era else { return }
        let stored = store.transaction(at: now) { ledger, clock in ledger.token(at: clock) }
        guard let stored, isValid(stored) else { return broken("the stored token is not valid") }
        if simulation.isSuperseding, stored != lastIssued.token { broken("the stored token is not the last one") }
    }
}
