/// The state machine of an HTTP/2 connection, as a value: each event returns the action to perform.
///
/// A server's graceful shutdown (RFC 9113, 6.8) takes two steps, so that requests in transit are not lost. First it sends
/// a GOAWAY with the highest possible stream id (the notice) and a PING. When the PING is acknowledged or times out, all
/// requests sent before the notice have arrived, and the final GOAWAY contains the last stream id.
///
///     open ──drain──▶ noticed ──PING acknowledged or timeout──▶ draining ──last stream ends──▶ closed
package struct HTTP2ConnectionState: Equatable {
    private enum Phase: Equatable {
        case open
        case noticed
        case draining
        case closed
    }

    package enum Action: Equatable {
        case none
        /// Send the notice and a PING, and start a timer for its acknowledgement.
        case sendNotice
        /// Send the final GOAWAY with the last processed stream id.
        case sendGoAway
        case close
    }

    private var phase = Phase.open

    /// Whether the notice is sent first. A client does not need it, since the server opens no streams.
    private let drainsInTwoSteps: Bool

    package init(drainsInTwoSteps: Bool) {
        self.drainsInTwoSteps = drainsInTwoSteps
    }

    /// Whether a new stream may start.
    package var acceptsStreams: Bool {
        switch phase {
        case .open, .noticed: true
        case .draining, .closed: false
        }
    }

    package var isClosed: Bool { phase == .closed }

    package mutating func drain() -> Action {
        switch phase {
        case .open:
            phase = drainsInTwoSteps ? .noticed : .draining
            return drainsInTwoSteps ? .sendNotice : .sendGoAway
        case .noticed, .draining, .closed: return .none
        }
    }

    package mutating func noticeAnswered() -> Action {
        switch phase {
        case .noticed:
            phase = .draining
            return .sendGoAway
        case .open, .draining, .closed: return .none
        }
    }

    /// The session has nothing more to read or write: the last stream ended after a GOAWAY, or the session failed.
    package mutating func sessionEnded() -> Action {
        switch phase {
        case .open, .noticed, .draining:
            phase = .closed
            return .close
        case .closed: return .none
        }
    }

    package mutating func channelInactive() {
        phase = .closed
    }
}
