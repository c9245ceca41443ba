import Domain

/// The store, the source and the faults, and what must hold.
extension KeySimulationRun {
    // MARK: The store

    mutating func perform(_ command: KeyCommand, _ call: Call, _ number: Int) {
        // A connection ends with its store. A late message belongs to an old connection of the same store.
        guard number == store.number, now >= store.upAt else { return }
        if now < store.stalledUntil {
            return schedule(.command(call, command, store: number), in: store.stalledUntil - now)
        }
        results.commands += 1
        let (owner, reply) = store.transaction(at: now) { ledgers, clock in
            (
                ledgers[call.change].owner(at: clock / 1000),
                ledgers[call.change].perform(command, KeySimulation.rules, at: clock / 1000)
            )
        }
        trace?("\(now) \(reply) \(store.state[call.change])")
        if case .claim(_, let token) = command, reply == .done {
            changes[call.change].lastClaim = token
        } else if let owner, let token = command.token, owner != token, reply == .done {
            broken("a command of an old claim has changed change \(call.change), at \(now)")
        }
        if case .finish(_, _, let token, _) = command, let owner, owner != token {
            changes[call.change].isContested = true
        }
        if reply == .removal(.removed), changes[call.change].final != nil {
            broken("a late command removed the final answer of change \(call.change), at \(now)")
        }
        if let latency = simulation.network.latency(using: &random) { schedule(.reply(call, reply), in: latency) }
    }

    // MARK: The source

    mutating func execute(_ write: Write, _ attempt: Int) {
        let reply: KeySimulation.SourceReply
        if chance(0.1) {
            reply = .rateLimited
        } else if chance(0.15) {
            reply = .refused
        } else {
            changes[write.change].executions += 1
            results.executed += 1
            trace?("\(now) execution \(changes[write.change].executions) of \(write.change)")
            reply = .done(execution: changes[write.change].executions)
        }
        if chance(0.05) { return }
        schedule(
            .sourceAnswer(write, attempt: attempt, reply),
            in: chance(0.05) ? .random(in: 50_000...15_000_000, using: &random) : 30_000)
    }

    // MARK: Faults

    mutating func scheduleFault() {
        schedule(.fault, in: .random(in: 1...simulation.faultInterval * 2, using: &random))
    }

    mutating func fault() {
        guard !isQuiet, let fault = simulation.faults.randomElement(using: &random) else { return }
        scheduleFault()
        trace?("\(now) \(fault)")
        if fault == .replicaKilled {
            let index = Int.random(in: replicas.indices, using: &random)
            guard replicas[index].isUp else { return }
            replicas[index].isUp = false
            replicas[index].life += 1
            schedule(.start(replica: index), in: .random(in: 100_000...5_000_000, using: &random))
        } else {
            _ = store.suffer(fault, at: now, using: &random)
        }
    }

    mutating func pause() {
        guard !isQuiet else { return }
        let index = Int.random(in: replicas.indices, using: &random)
        replicas[index].pausedUntil =
            now + .random(in: 100_000...(chance(0.3) ? 50_000_000 : 3_000_000), using: &random)
        trace?("\(now) replica \(index) is paused until \(replicas[index].pausedUntil)")
        schedule(.pause, in: .random(in: 1...40_000_000, using: &random))
    }

    mutating func start(_ index: Int) {
        let life = replicas[index].life
        replicas[index] = newReplica()
        replicas[index].life = life
        scheduleMaintenance(index)
    }

    // MARK: What must hold

    mutating func broken(_ text: String) {
        trace?("\(now) BROKEN: \(text)")
        results.broken.append(text)
    }

    /// A replica sends only while the key is its own, so that no other request with the key is sent, nor its key removed.
    mutating func checkSending(_ write: Write, _ claim: KeyClaim) {
        guard store.era == write.era else { return }
        let clock = store.clock(at: now) / 1000
        if !store.state[write.change].isHeld(by: claim.fencingToken, at: clock) {
            broken("change \(write.change) was sent without its key, at \(now)")
        }
    }

    /// A final answer is true, and is the same for all requests.
    mutating func check(_ answer: Answer, of number: Int) {
        let change = changes[number]
        if answer == .done, change.executions == 0 {
            broken("change \(number) was answered as done and was not executed, at \(now)")
        }
        if let first = change.final, first != answer, store.losses == 0, change.removals == 0 {
            broken("change \(number) was answered as \(first), then as \(answer), at \(now)")
        }
        if change.final == nil { changes[number].final = answer }
    }

    mutating func checkEnd() {
        for (number, change) in changes.enumerated() {
            let time = Timestamp(secondsSinceEpoch: SimulatedStore<[KeyLedger]>.day0 / 1_000_000)
            let state = store.transaction(at: now) { ledgers, clock in
                ledgers[number].perform(.read(at: time), KeySimulation.rules, at: clock / 1000)
            }
            let permitted = 1 + change.removals + store.losses
            if change.executions > permitted {
                broken("change \(number) was executed \(change.executions) times, \(permitted) were permitted")
            } else if change.executions > 1 + change.removals {
                results.repeatedAfterLoss += 1
            } else if change.executions > 1 {
                results.repeatedAfterRemoval += 1
            }
            let isUntouched = store.losses == 0 && change.removals == 0
            switch state {
            case .free:
                if change.executions > 0, isUntouched { broken("change \(number) was executed and its key is free") }
                checkKnown(number)
            case .recorded(let record, let token):
                switch record.state {
                case .running:
                    let leaseEnd = KeySimulation.faultsEnd + 2 * KeySimulation.rules.lease * 1000 + store.setBack
                    if now > leaseEnd { broken("the key of change \(number) has a lease that does not end") }
                case .unknown:
                    results.unknown += 1
                    if token == change.known?.token { checkKnown(number) }
                case .finished(.done):
                    if change.executions == 0 { broken("change \(number) is recorded as done and was not executed") }
                case .finished(.refused): break
                }
            case .done, .refused, .removal: broken("a key was read as \(state)")
            }
        }
        checkReplicas()
    }

    /// A replica that has learned the outcome since the store's last loss records it, unless another claim has the key.
    private mutating func checkKnown(_ number: Int) {
        let change = changes[number]
        guard let known = change.known, isRunning(known.replica, known.life), known.losses == store.losses,
            known.token == change.lastClaim, !change.isContested, change.removals == 0
        else { return }
        broken("the outcome of change \(number) is known to a replica, and not recorded")
    }

    private mutating func checkReplicas() {
        for (index, replica) in replicas.enumerated() where replica.isUp {
            if replica.holder.hasUnrecorded { broken("replica \(index) has an outcome that it does not record") }
            if !replica.holder.runningClaims.isEmpty { broken("replica \(index) has a claim whose write has ended") }
        }
    }
}
