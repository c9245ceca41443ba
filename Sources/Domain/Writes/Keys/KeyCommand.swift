/// What a replica asks the shared store to do with one idempotency key. The store runs each command as one transaction
/// (`KeyLedger`).
package enum KeyCommand: Sendable, Equatable {
    /// Claims a free key with a new fencing token.
    case claim(ClaimedWrite, token: Int64)
    case read(at: Timestamp)
    case willSend(token: Int64)

    /// Renews the lease of a claim. If it was sent, stores it again if the store has lost it or that record.
    case renew(ClaimedWrite, token: Int64, isSent: Bool)
    /// - Parameter sent: The write, if it was sent. The store has then lost the key or the record that it was sent, if it has
    ///   none, and stores both again.
    case finish(WriteOutcome, at: Timestamp, token: Int64, sent: ClaimedWrite?)
    case leaveUnknown(token: Int64, sent: ClaimedWrite?)
    case release(token: Int64)
    case resolve(WriteOutcome, at: Timestamp, digest: [UInt8])

    /// Frees a key that is unknown or finished. A key that has changed since it was read is not freed.
    case remove(token: Int64, isFinished: Bool)
}

extension KeyCommand {
    /// The token of the claim that the command belongs to; nil for those of any claim.
    package var token: Int64? {
        switch self {
        case .claim(_, let token), .willSend(let token), .renew(_, let token, _), .finish(_, _, let token, _),
            .leaveUnknown(let token, _), .release(let token), .remove(let token, _):
            token
        case .read, .resolve: nil
        }
    }
}

/// The store's reply to a `KeyCommand`.
package enum KeyReply: Sendable, Equatable {
    case done
    /// The key has another claim, or is not in the state that the command needs. Nothing has changed.
    case refused
    /// Nothing is recorded of the key.
    case free
    case recorded(KeyRecord, token: Int64)
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
