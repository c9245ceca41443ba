/// What a store that replicas share records of one idempotency key.
///
/// The store runs each command as one transaction. Its scripts and this value do the same: both pass the same tests. A claim
/// has a lease by the store's clock, since the store cannot know whether its replica still runs. When the lease ends, a key
/// that was claimed is free, since nothing was sent. A key that was sending is unknown.
///
/// Times of the store are milliseconds of its clock since 1970. The clocks of replicas decide only when a finished key is
/// free again.
package struct KeyLedger: Sendable, Equatable {
    package struct Rules: Sendable, Equatable {
        /// How long a claim is valid without a renewal, in milliseconds.
        package let lease: Int64

        /// How long a finished key lives, in seconds.
        package let window: Int64

        package init(lease: Int64, window: Int64) {
            self.lease = lease
            self.window = window
        }

        /// How long the store has a finished key, in milliseconds: an hour longer than its window, since the clocks of the
        /// replicas decide about the window.
        package var timeToLive: Int64 { (window + 3600) * 1000 }
    }

    private enum State: Equatable {
        case claimed
        case sending
        case unknown
        case finished(WriteOutcome, at: Timestamp)
    }

    private struct Entry: Equatable {
        var token: Int64
        var write: ClaimedWrite
        var state: State
        var leaseEnd: Int64

        /// When the store removes the key; nil for never.
        var expires: Int64?
    }

    private var entry: Entry?

    package init() {}

    /// When the store removes the key; nil for never, or without a key.
    package var expires: Int64? { entry?.expires }

    /// The token of the claim that the key belongs to.
    package func owner(at now: Int64) -> Int64? {
        guard let entry, entry.expires.map({ $0 > now }) ?? true else { return nil }
        return entry.token
    }

    /// Whether a claim has the key and its lease has not ended.
    package func isHeld(by token: Int64, at now: Int64) -> Bool {
        guard let entry, entry.token == token, entry.leaseEnd > now else { return false }
        return entry.state == .claimed || entry.state == .sending
    }

    /// - Parameter now: The store's clock.
    package mutating func perform(_ command: KeyCommand, _ rules: Rules, at now: Int64) -> KeyReply {
        if let expires, expires <= now { entry = nil }
        switch command {
        case .claim(let write, let token): return claim(write, token, rules, at: now)
        case .read(let time): return reply(rules, time, at: now) ?? .free
        case .willSend(let token): return willSend(token, rules, at: now) ? .done : .refused
        case .renew(let write, let token, let isSent):
            return renew(write, token, isSent: isSent, rules, at: now) ? .done : .refused
        case .finish(let outcome, let time, let token, let sent):
            restore(sent, token)
            return finish(outcome, time, token, rules, at: now) ? .done : .refused
        case .leaveUnknown(let token, let sent):
            restore(sent, token)
            return leaveUnknown(token) ? .done : .refused
        case .release(let token): return release(token) ? .done : .refused
        case .resolve(let outcome, let time, let digest):
            guard record(rules, time, at: now)?.state == .unknown, entry?.write.request.digest == digest else {
                return .refused
            }
            finish(outcome, time, rules, at: now)
            return .done
        case .remove(let token, let isFinished): return remove(token, isFinished: isFinished, at: now)
        }
    }

    // MARK: Records

    /// - Parameter time: The clock of a replica.
    private func record(_ rules: Rules, _ time: Timestamp, at now: Int64) -> KeyRecord? {
        guard let entry, let state = Self.state(of: entry, rules, time, at: now) else { return nil }
        return KeyRecord(request: entry.write.request, state: state, recordedAt: entry.write.recordedAt)
    }

    /// nil if the key is free.
    private func reply(_ rules: Rules, _ time: Timestamp, at now: Int64) -> KeyReply? {
        guard let entry, let record = record(rules, time, at: now) else { return nil }
        return .recorded(record, token: entry.token)
    }

    /// nil if the key is free.
    private static func state(
        of entry: Entry, _ rules: Rules, _ time: Timestamp, at now: Int64
    ) -> KeyRecord.State? {
        switch entry.state {
        case .claimed: return entry.leaseEnd > now ? .running : nil
        case .sending: return entry.leaseEnd > now ? .running : .unknown
        case .unknown: return .unknown
        case .finished(let outcome, let finished):
            let isOver = finished.secondsSinceEpoch + rules.window <= time.secondsSinceEpoch
            return isOver ? nil : .finished(outcome)
        }
    }

    private mutating func remove(_ token: Int64, isFinished: Bool, at now: Int64) -> KeyReply {
        guard let removed = entry, removed.token == token else { return .removal(.absent) }
        switch removed.state {
        case .claimed where removed.leaseEnd > now, .sending where removed.leaseEnd > now: return .removal(.running)
        case .claimed: return .removal(.absent)
        case .sending, .unknown:
            if isFinished { return .refused }
        case .finished:
            guard isFinished else { return .refused }
        }
        entry = nil
        return .removal(.removed)
    }

    // MARK: Claims

    private mutating func claim(_ write: ClaimedWrite, _ token: Int64, _ rules: Rules, at now: Int64) -> KeyReply {
        // The command may arrive twice.
        let isOwn = entry?.token == token && entry?.state == .claimed
        if !isOwn, let reply = reply(rules, write.recordedAt, at: now) { return reply }
        entry = Entry(
            token: token, write: write, state: .claimed, leaseEnd: now + rules.lease, expires: now + 2 * rules.lease)
        return .done
    }

    private mutating func willSend(_ token: Int64, _ rules: Rules, at now: Int64) -> Bool {
        guard let held = entry, held.token == token, held.state == .claimed else { return false }
        entry?.state = .sending
        entry?.leaseEnd = now + rules.lease
        entry?.expires = nil
        return true
    }

    private mutating func renew(
        _ write: ClaimedWrite, _ token: Int64, isSent: Bool, _ rules: Rules, at now: Int64
    ) -> Bool {
        if entry == nil {
            // Nothing is lost with a claim that was not sent. Stored again, it could keep out the outcome of another one.
            guard isSent else { return false }
            entry = Entry(token: token, write: write, state: .claimed, leaseEnd: now, expires: nil)
        }
        guard let held = entry, held.token == token else { return false }
        switch held.state {
        // The write has ended, or a read has proved its effect after the lease had ended.
        case .unknown, .finished: return false
        case .claimed, .sending: break
        }
        entry?.leaseEnd = now + rules.lease
        if isSent {
            entry?.state = .sending
            entry?.expires = nil
        } else if held.state == .claimed {
            entry?.expires = now + 2 * rules.lease
        }
        return true
    }

    // MARK: Endings

    /// Stores a claim again whose write was sent, if the store has lost it or that record. Its lease has ended.
    private mutating func restore(_ sent: ClaimedWrite?, _ token: Int64) {
        guard let sent else { return }
        if entry == nil { entry = Entry(token: token, write: sent, state: .sending, leaseEnd: 0, expires: nil) }
        guard let held = entry, held.token == token, held.state == .claimed else { return }
        entry?.state = .sending
        entry?.expires = nil
    }

    private mutating func finish(
        _ outcome: WriteOutcome, _ time: Timestamp, _ token: Int64, _ rules: Rules, at now: Int64
    ) -> Bool {
        guard let held = entry, held.token == token else { return false }
        switch held.state {
        case .claimed: return false
        case .sending, .unknown: finish(outcome, time, rules, at: now)
        case .finished: break
        }
        return true
    }

    private mutating func finish(_ outcome: WriteOutcome, _ time: Timestamp, _ rules: Rules, at now: Int64) {
        entry?.state = .finished(outcome, at: time)
        entry?.expires = now + rules.timeToLive
    }

    private mutating func leaveUnknown(_ token: Int64) -> Bool {
        guard let held = entry, held.token == token else { return false }
        switch held.state {
        case .claimed: return false
        case .sending: entry?.state = .unknown
        case .unknown, .finished: break
        }
        return true
    }

    private mutating func release(_ token: Int64) -> Bool {
        guard let held = entry, held.token == token else { return false }
        switch held.state {
        case .claimed, .sending: entry = nil
        case .unknown, .finished: return false
        }
        return true
    }
}
