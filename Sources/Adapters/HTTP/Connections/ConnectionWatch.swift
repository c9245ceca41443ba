package import NIOCore

/// Decides, handed the time, what has taken too long on one connection. A value: no timers, no channel.
package struct ConnectionWatch {
    /// Why a connection is ended before its peer ends it.
    package enum Reason: Equatable {
        /// No request was under way for too long.
        case idle
        /// A field section was begun and not finished.
        case headers
        /// The peer no longer answers.
        case keepalive
        /// The peer does not acknowledge our SETTINGS.
        case settings
        /// The connection is old enough, or has carried enough.
        case age
    }

    package enum Action: Equatable {
        case none
        /// Ask whether the peer is there.
        case ping
        /// Take no more requests, and say so.
        case drain(Reason)
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
    private var isDrainAsked = false

    /// While exchanges are open there may be bodies to look at, which this often is often enough for.
    private let tick: TimeAmount

    /// - Parameter isHTTP2: Whether there are PING and SETTINGS to be answered.
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

    package mutating func exchangeEnded(at now: NIODeadline) {
        exchangesOpen -= 1
        if exchangesOpen == 0 { idleSince = now }
    }

    package mutating func pingAnswered() {
        pingedAt = nil
    }

    package mutating func settingsAcknowledged() {
        settingsSince = nil
    }

    // MARK: Decisions

    /// Whether the requests so far are enough for one connection.
    package var hasCarriedEnough: Bool { requests >= requestsMax }

    /// What is to be done now.
    ///
    /// - Parameter isPeerBehind: Whether something waits for the peer to take it. A reader that pauses does not read our
    ///   PINGs either; it has the time its body has (`Progress`).
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
        guard !isDrainAsked else { return .none }
        if exchangesOpen == 0, idleSince + timeouts.idle <= now {
            isDrainAsked = true
            return .drain(.idle)
        }
        if endOfAge <= now || hasCarriedEnough {
            isDrainAsked = true
            return .drain(.age)
        }
        return .none
    }

    /// When to look again, if nothing happens until then.
    package func nextCheck(after now: NIODeadline) -> NIODeadline {
        var next = endOfAge
        if isDrainAsked { next = .distantFuture }
        if exchangesOpen > 0 {
            next = min(next, now + tick)
        } else if !isDrainAsked {
            next = min(next, idleSince + timeouts.idle)
        }
        if let headSince { next = min(next, headSince + timeouts.headers) }
        if let settingsSince { next = min(next, settingsSince + timeouts.settingsAcknowledgement) }
        if let pingedAt { next = min(next, pingedAt + timeouts.keepaliveAnswer) }
        return next
    }
}

/// Whether something moves: how much of it had come by when, at the last look that found it moving.
package struct Progress {
    private var mark = 0
    private var since: NIODeadline?

    package init() {}

    /// Whether fewer than `bytesMin` came in all of `time` while somebody waited.
    ///
    /// - Parameter count: How many bytes there have been altogether.
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
