import Synchronization

/// Decides whether a change may still be sent when its caller goes away: the caller's departure and the sending exclude each
/// other.
final class SendingGate: Sendable {
    private enum State {
        case waiting
        case abandoned
        case sending
    }

    private let state = Mutex(State.waiting)

    /// The caller has gone.
    ///
    /// - Returns: Whether the change is not sent any more.
    func abandon() -> Bool {
        state.withLock { state in
            if case .waiting = state { state = .abandoned }
            if case .abandoned = state { return true }
            return false
        }
    }

    /// The change is about to be sent.
    ///
    /// - Returns: Whether this is the first attempt.
    /// - Throws: `cancelled` if the caller has gone.
    func send() throws(BillingFailure) -> Bool {
        let before = state.withLock { state in
            defer { if case .waiting = state { state = .sending } }
            return state
        }
        switch before {
        case .waiting: return true
        case .sending: return false
        case .abandoned: throw .cancelled
        }
    }
}
