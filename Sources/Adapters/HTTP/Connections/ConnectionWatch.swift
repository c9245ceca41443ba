package import NIOCore

/// The timeout rules of one connection, as a value without timers or channel: the caller passes the current time.
package struct ConnectionWatch {
    /// Why the server or client ends a connection.
    package enum Reason: Equatable {
        /// No request was in flight for `Timeouts.idle`.
        case idle
        /// A field section was started and not completed in time.
        case headers
        /// The peer did not answer a PING.
        case keepalive
        /// The peer did not acknowledge our SETTINGS.
        case settings
        /// The connection reached its maximum age or number of requests.
        case age
    }

    package enum Action: Equatable {
        case none
        /// Send a PING to check that the peer is alive.
        case ping
        /// Start a graceful shutdown of the connection.
        case drain(Reason)
        /// Close the connection immediately.
        case cutOff(Reason)
    }

    private let timeouts: Timeouts
    private let requestsMax: Int
    private let endOfAge: NIODeadline
    private let pings: Bool

    private var exchangesOpen = 0
    private var requests = 0
    private var idleSince: NIODeadline
    private var receivedAt: NIODeadline
    private var headSince: NIODeadline?
    private var pingedAt: NIODeadline?
    private var settingsSince: NIODeadline?
    private var isDrainRequested = false

    /// The interval of checks while exchanges are open, short enough to detect stalled bodies.
    private let tick: TimeAmount

    /// - Parameter isHTTP2: Whether the peer has to answer PING and SETTINGS.
    package init(timeouts: Timeouts, limits: Limits, isHTTP2: Bool, now: NIODeadline) {
        self.timeouts = timeouts
        requestsMax = limits.requestsPerConnectionMax
        endOfAge = now + timeouts.connectionAgeWithJitter
        pings = isHTTP2
        idleSince = now
        receivedAt = now
        settingsSince = isHTTP2 ? now : nil
        let shortest = min(
            timeouts.writeProgress, timeouts.writeProgressBulk, timeouts.bodySilence, timeouts.bodyRateGrace,
            timeouts.keepalive, timeouts.keepaliveAnswer)
        tick = max(.milliseconds(10), min(.seconds(1), limits.lingerMax, .nanoseconds(shortest.nanoseconds / 4)))
    }

    // MARK: Events

    package mutating func received(at now: NIODeadline) {
        receivedAt = now
    }

    package mutating func headBegan(at now: NIODeadline) {
        if headSince == nil { headSince = now }
    }

    package mutating func headEnded() {
        headSince = nil
    }

    package mutating func exchangeBegan() {
        exchangesOpen += 1
        requests += 1
    }

    /// - Parameter now: Evaluated for the last open exchange only.
    package mutating func exchangeEnded(at now: @autoclosure () -> NIODeadline) {
        exchangesOpen -= 1
        if exchangesOpen == 0 { idleSince = now() }
    }

    package mutating func pingAnswered() {
        pingedAt = nil
    }

    package mutating func settingsAcknowledged() {
        settingsSince = nil
    }

    // MARK: Decisions

    /// Whether the connection reached `Limits.requestsPerConnectionMax`.
    package var hasReachedRequestsMax: Bool { requests >= requestsMax }

    /// Whether the next request is the last, whose response has to say so on HTTP/1.1.
    var isNextRequestLast: Bool { requests + 1 >= requestsMax }

    /// Returns the action that is due at `now`.
    ///
    /// - Parameter isPeerBehind: Whether data waits for the peer to read it. A paused reader does not read PINGs either, so
    ///   the write timeouts apply instead (`Progress`).
    package mutating func check(at now: NIODeadline, isPeerBehind: Bool = false) -> Action {
        if let headSince, headSince + timeouts.headers <= now { return .cutOff(.headers) }
        if let settingsSince, settingsSince + timeouts.settingsAcknowledgement <= now { return .cutOff(.settings) }
        if isPeerBehind {
            pingedAt = nil
        } else if let pingedAt {
            if pingedAt + timeouts.keepaliveAnswer <= now { return .cutOff(.keepalive) }
        } else if pings, exchangesOpen > 0, receivedAt + timeouts.keepalive <= now {
            pingedAt = now
            return .ping
        }
        guard !isDrainRequested else { return .none }
        if exchangesOpen == 0, idleSince + timeouts.idle <= now {
            isDrainRequested = true
            return .drain(.idle)
        }
        if endOfAge <= now || hasReachedRequestsMax {
            isDrainRequested = true
            return .drain(.age)
        }
        return .none
    }

    /// The time of the next check, if no event happens before.
    package func nextCheck(after now: NIODeadline) -> NIODeadline {
        var next = endOfAge
        if isDrainRequested { next = .distantFuture }
        if exchangesOpen > 0 {
            next = min(next, now + tick)
        } else if !isDrainRequested {
            next = min(next, idleSince + timeouts.idle)
        }
        if let headSince { next = min(next, headSince + timeouts.headers) }
        if let settingsSince { next = min(next, settingsSince + timeouts.settingsAcknowledgement) }
        if let pingedAt { next = min(next, pingedAt + timeouts.keepaliveAnswer) }
        return next
    }
}

/// Detects a stalled transfer: the byte count and time of the last check that found progress.
package struct Progress {
    private var mark = 0
    private var since: NIODeadline?

    package init() {}

    /// Whether fewer than `bytesMin` bytes were transferred during `time` while a reader or writer waited.
    ///
    /// - Parameter count: The total of transferred bytes.
    package mutating func isStalled(
        at now: NIODeadline, count: Int, isAwaited: Bool, bytesMin: Int, within time: TimeAmount
    ) -> Bool {
        guard isAwaited, let since, count - mark < bytesMin else {
            mark = count
            self.since = now
            return false
        }
        return since + time <= now
    }
}
