/// Records idempotency keys, so that no write is sent twice.
///
/// A key is claimed, then marked as sending, then finished or left unknown:
///
///     free -- claim --> claimed -- willSend --> sending -- finish ------> finished
///      ^                   |                       |-- leaveUnknown --> unknown -- resolve --> finished
///      +----- release -----+----------- release ---+
///
/// A process that ends, however it ends, owns no claim any more. Its keys that were claimed are free, since nothing was
/// sent. Its keys that were sending are unknown. A new claim has another fencing token than the claims before it, so an old
/// claim of the same key can change nothing.
///
/// Finished keys live for the idempotency window, from the time when they finished. Then they are free. Unknown keys live
/// until they are resolved or removed, since a free key permits to send the write again.
///
/// An implementation on one machine knows from the operating system which processes live. One for several machines needs
/// leases that expire, and must renew a lease for as long as its write runs.
///
/// Every method throws `stateUnavailable` if the store cannot do it: the disk is full, reading or writing fails, or another
/// process holds the store for too long. `claim`, `willSend`, `record`, `resolve` and `remove` throw `cancelled` if the task is
/// cancelled before they begin; they have changed nothing then. The other methods ignore cancellation.
package protocol IdempotencyStore: Sendable {
    /// Whether a record survives the end of this process and of the store itself, also by the loss of power. False if the
    /// store does not know.
    var isDurable: Bool { get async }

    /// Claims a free key. Of concurrent claims for one key, one succeeds.
    ///
    /// - Returns: The record of the key if it is not free. The caller compares its request.
    func claim(
        _ key: CallerKey, for request: KeyedRequest, at now: Timestamp
    ) async throws(BillingFailure) -> KeyClaimResult

    /// Records that the request may reach the source from now on. The record survives the loss of power before this returns.
    ///
    /// - Throws: `stateUnavailable`, also if the claim was lost. The request must not be sent then.
    func willSend(_ claim: KeyClaim) async throws(BillingFailure)

    /// Whether the request may be sent now, or sent again, after `willSend`. A store with leases says no when the lease of the
    /// claim may have ended.
    func maySend(_ claim: KeyClaim) -> Bool

    /// Records the outcome after `willSend`. The record survives the loss of power before this returns.
    ///
    /// - Throws: `stateUnavailable`. The store then remembers the outcome in memory and writes it as soon as it can. Should
    ///   the process end before that, the key is unknown.
    func finish(_ claim: KeyClaim, with outcome: WriteOutcome, at now: Timestamp) async throws(BillingFailure)

    /// Records after `willSend` that the outcome is not known.
    ///
    /// - Throws: As `finish`.
    func leaveUnknown(_ claim: KeyClaim) async throws(BillingFailure)

    /// Frees the key of a claim. The caller is certain that the source did not receive the request.
    ///
    /// If the store cannot record it, it remembers that in memory, as `finish` does.
    func release(_ claim: KeyClaim) async

    /// - Returns: nil if the key is free.
    func record(of key: CallerKey, at now: Timestamp) async throws(BillingFailure) -> KeyRecord?

    /// Records the outcome of an unknown write, which a read has proved. Changes nothing if the key is not unknown, or
    /// belongs to a request with another digest. The record survives the loss of power before this returns.
    func resolve(
        _ key: CallerKey, _ digest: [UInt8], with outcome: WriteOutcome, at now: Timestamp
    ) async throws(BillingFailure)

    /// Frees a key that is unknown or finished, which permits to send the write again.
    func remove(_ key: CallerKey) async throws(BillingFailure) -> KeyRemoval
}

extension IdempotencyStore {
    package func maySend(_ claim: KeyClaim) -> Bool { true }
}

/// The right to send the write of a key once.
package struct KeyClaim: Sendable, Hashable {
    package let key: CallerKey

    /// The number of the claim. A later claim of the same key has another one.
    package let fencingToken: Int64

    package init(key: CallerKey, fencingToken: Int64) {
        self.key = key
        self.fencingToken = fencingToken
    }
}

package enum KeyClaimResult: Sendable, Equatable {
    case claimed(KeyClaim)
    /// The key is not free.
    case recorded(KeyRecord)
}

package enum KeyRemoval: Sendable, Equatable {
    case removed
    /// The write is running, so the key was not removed.
    case running
    case absent
}
