/// The life of a connection as a value: events go in, what to do about them comes out.
///
/// A server's drain (RFC 9113, 6.8) takes two steps, so that a request already on its way is answered instead of lost:
/// a notice with the highest possible stream id and a PING; when the PING comes back (or has taken too long), every
/// request sent before the notice has arrived, and the final GOAWAY names the last of them.
///
///     open ──drain──▶ noticed ──PING back, or time──▶ draining ──last stream──▶ closed
package struct HTTP2ConnectionState: Equatable {
    private enum Phase: Equatable {
        case open
        case noticed
        case draining
        case closed
    }

    package enum Action: Equatable {
        case none
        /// Send the notice and a PING, and start the timer that stands in for its answer.
        case sendNotice
        /// Send the GOAWAY that names the last stream taken.
        case sendGoAway
        case close
    }

    private var phase = Phase.open

    /// A client's drain has one step: nothing can be on its way that it did not send.
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

    /// The session has nothing left to read or write: its last stream is gone after a GOAWAY, or it failed.
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
