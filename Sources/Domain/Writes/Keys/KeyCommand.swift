/// What a replica asks the shared store to do with one idempotency key. The store runs each command as one transaction
/// (`KeyLedger`).
package enum KeyCommand: Sendable, Equatable {
    /// Claims a free key with a new fencing token.
    case claim(ClaimedWrite, token: Int64)
    case read(at: Timestamp)
    case willSend(token: Int64)

    /// Renews the lease of a claim. Stores the claim again if the store has lost it, or the record that it was sent.
    case renew(ClaimedWrite, token: Int64, isSent: Bool)
    case finish(WriteOutcome, at: Timestamp, token: Int64)
    case leaveUnknown(token: Int64)
    case release(token: Int64)
    case resolve(WriteOutcome, at: Timestamp, digest: [UInt8])
    case remove
}

/// The store's reply to a `KeyCommand`.
package enum KeyReply: Sendable, Equatable {
    case done
    /// The key has another claim, or is not in the state that the command needs. Nothing has changed.
    case refused
    /// Nothing is recorded of the key.
    case free
    case recorded(KeyRecord)
    case removal(KeyRemoval)
}

/// The write that a claim is for.
package struct ClaimedWrite: Sendable, Equatable {
    package let request: KeyedRequest

    /// When the key was claimed.
    package let recordedAt: Timestamp

    package init(_ request: KeyedRequest, at now: Timestamp) {
        self.request = request
        recordedAt = now
    }
}
