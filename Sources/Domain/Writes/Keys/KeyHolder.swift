/// The claims of idempotency keys that a replica has in a shared store.
///
/// It decides which leases are renewed, and remembers how a write ended until the store has recorded it.
package struct KeyHolder: Sendable {
    /// How a write ended.
    package enum Ending: Sendable, Equatable {
        case finished(WriteOutcome, at: Timestamp)
        case unknown
        /// Nothing was sent.
        case released
    }

    /// A claim whose write has ended.
    package struct EndedClaim: Sendable, Equatable {
        package let claim: KeyClaim
        package let ending: Ending

        /// The write, if it was sent. The store may have lost its key.
        let sent: ClaimedWrite?

        /// Records the ending. Without an effect if it is recorded already.
        package var command: KeyCommand {
            switch ending {
            case .finished(let outcome, let now): .finish(outcome, at: now, token: claim.fencingToken, sent: sent)
            case .unknown: .leaveUnknown(token: claim.fencingToken, sent: sent)
            case .released: .release(token: claim.fencingToken)
            }
        }
    }

    /// A claim whose write has not ended.
    private struct RunningClaim {
        let write: ClaimedWrite

        /// Until when the write may be sent; nil if the store has not recorded that it is.
        var sendUntil: Moment?
    }

    /// The maximum of endings that wait to be recorded. Beyond it they are dropped, and their keys become unknown.
    private static let unrecordedMax = 100_000

    /// How soon an ending is recorded when the store can be reached again.
    private static let retryInterval = Duration.milliseconds(250)

    private let lease: Duration

    /// How long a write may be sent after the call that began its lease. The rest of the lease is for the time between
    /// `maySend` and the source, and for clocks that run at different speeds.
    private let sendTime: Duration
    private var running: [KeyClaim: RunningClaim] = [:]
    private var unrecorded: [KeyClaim: EndedClaim] = [:]

    package init(lease: Duration) {
        self.lease = lease
        sendTime = lease * 9 / 10
    }

    // MARK: Running writes

    /// The store has confirmed a claim.
    package mutating func claimed(_ claim: KeyClaim, for write: ClaimedWrite) {
        running[claim] = RunningClaim(write: write)
    }

    /// The store has not answered to a claim, and may have made it. Its write does not run.
    package mutating func mayHaveClaimed(_ claim: KeyClaim) {
        remember(EndedClaim(claim: claim, ending: .released, sent: nil))
    }

    /// The store has recorded that the write may reach the source from now on.
    ///
    /// - Parameter called: When the replica called the store.
    package mutating func willSend(_ claim: KeyClaim, called: Moment) {
        running[claim]?.sendUntil = called + sendTime
    }

    /// Whether the write may be sent, or sent again, at this moment. After its lease has ended, another request with the key
    /// can be answered as unknown, and its caller can remove the key and send the write again.
    package func maySend(_ claim: KeyClaim, at now: Moment) -> Bool {
        running[claim]?.sendUntil.map { now < $0 } ?? false
    }

    /// The write has ended. The caller sends the command of the result to the store.
    package mutating func end(_ claim: KeyClaim, _ ending: Ending) -> EndedClaim {
        let ended = running.removeValue(forKey: claim)
        return EndedClaim(claim: claim, ending: ending, sent: ended.flatMap { $0.sendUntil == nil ? nil : $0.write })
    }

    // MARK: Leases

    /// The claims whose leases need a renewal.
    package var runningClaims: [KeyClaim] { running.keys.sorted { $0.fencingToken < $1.fencingToken } }

    /// The command that renews a lease; nil if the write has ended meanwhile.
    package func renewal(of claim: KeyClaim) -> KeyCommand? {
        running[claim].map { .renew($0.write, token: claim.fencingToken, isSent: $0.sendUntil != nil) }
    }

    /// The store has answered to a renewal.
    ///
    /// - Parameter called: When the replica called the store.
    package mutating func renewed(_ claim: KeyClaim, _ reply: KeyReply, called: Moment) {
        // The claim has lost its key. Its write is not sent any more.
        guard reply != .refused else { return running[claim] = nil }
        guard let sendUntil = running[claim]?.sendUntil else { return }
        running[claim]?.sendUntil = max(sendUntil, called + sendTime)
    }

    /// How long until leases are renewed and endings are recorded again.
    package var maintenanceInterval: Duration {
        unrecorded.isEmpty ? lease / 3 : min(Self.retryInterval, lease / 3)
    }

    // MARK: Endings that are not recorded

    package var hasUnrecorded: Bool { !unrecorded.isEmpty }

    package var unrecordedClaims: [EndedClaim] {
        unrecorded.values.sorted { $0.claim.fencingToken < $1.claim.fencingToken }
    }

    /// The store could not record an ending, so that it must be recorded later.
    package mutating func remember(_ ended: EndedClaim) {
        guard unrecorded.count < Self.unrecordedMax else { return }
        // A known outcome is not forgotten when the caller then reports that it could not be recorded.
        if case .finished = unrecorded[ended.claim]?.ending { return }
        unrecorded[ended.claim] = ended
    }

    /// The store has recorded an ending, or the claim has lost its key.
    package mutating func recorded(_ ended: EndedClaim) {
        unrecorded[ended.claim] = nil
    }
}
