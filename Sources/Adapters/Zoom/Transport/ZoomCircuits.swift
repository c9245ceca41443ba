import Domain

/// The circuit breakers of one master account: one for each target whose calls fail, and one for Zoom as a whole.
///
/// A target whose calls always fail does not stop other targets: between two answers of Zoom it counts as one failure of the
/// whole. All calls that one lost connection or one failed connection attempt ends count as one failure as well. So do all
/// attempts of one call.
struct ZoomCircuits: Sendable {
    /// What the end of an attempt shows about the state of Zoom.
    enum Evidence: Sendable, Equatable {
        /// Zoom answered. A refusal is an answer.
        case answered
        /// Zoom failed to answer this request.
        case requestFailed
        /// The connection was lost.
        case connectionLost
        /// The connection attempt failed.
        case unreachable
        /// As `requestFailed`, with a `Retry-After` of Zoom's.
        case unavailable(for: Duration)
        /// Nothing was sent, or the answer shows nothing about the state of Zoom.
        case nothing
    }

    /// All attempts of one call.
    struct Call: Sendable {
        /// The path of the request, without its query.
        let target: String

        /// When the current attempt began.
        var began: Moment

        /// Whether a failure of the call has been counted.
        fileprivate var hasFailed: Bool

        /// - Parameter isRepeated: The call repeats a failed call, whose failure has been counted.
        init(_ target: String, began: Moment, isRepeated: Bool) {
            self.target = target
            self.began = began
            hasFailed = isRepeated
        }
    }

    private var whole = CircuitBreaker()

    /// The circuit breakers of targets whose last call failed.
    private var byTarget: [String: CircuitBreaker] = [:]

    /// When each `Retry-After` that Zoom stated for a target ends.
    private var unavailableUntil: [String: Moment] = [:]

    /// Targets that have counted as a failure of the whole since Zoom last answered.
    private var countedTargets: Set<String> = []
    private var lastConnectionFailure: Moment?

    /// Bounds memory when many targets fail. At the limit the state of all targets is dropped.
    private static let targetsMax = 1000

    var isClosed: Bool { whole.isClosed }

    /// Decides whether an attempt may be made now.
    mutating func enter(_ call: Call, at now: Moment) -> CircuitBreaker.Admission {
        if let until = unavailableUntil[call.target] {
            if now < until { return .refused(retryAfter: until - now) }
            unavailableUntil[call.target] = nil
        }
        if case .refused(let wait)? = byTarget[call.target]?.enter(at: now) { return .refused(retryAfter: wait) }
        let admission = whole.enter(at: now)
        // The target's circuit breaker may have admitted a probe request that is now not sent.
        if case .refused = admission { byTarget[call.target]?.ended(.unknown, at: now) }
        return admission
    }

    /// Records the end of an attempt.
    mutating func ended(_ evidence: Evidence, _ call: inout Call, at now: Moment) {
        switch evidence {
        case .answered:
            whole.ended(.answered, at: now)
            byTarget[call.target] = nil
            unavailableUntil[call.target] = nil
            countedTargets.removeAll()
            lastConnectionFailure = nil
        case .nothing:
            whole.ended(.unknown, at: now)
            byTarget[call.target]?.ended(.unknown, at: now)
        case .requestFailed, .unavailable:
            if case .unavailable(let wait) = evidence {
                makeRoom()
                unavailableUntil[call.target] = now + wait
            }
            countTarget(&call, at: now)
            countWhole(countedTargets.insert(call.target).inserted, at: now)
        case .connectionLost:
            countTarget(&call, at: now)
            let isNewFailure = isAfterLastConnectionFailure(call) && countedTargets.insert(call.target).inserted
            if isNewFailure { lastConnectionFailure = now }
            countWhole(isNewFailure, at: now)
        case .unreachable:
            byTarget[call.target]?.ended(.unknown, at: now)
            let isNewFailure = isAfterLastConnectionFailure(call) && !call.hasFailed
            call.hasFailed = true
            if isNewFailure { lastConnectionFailure = now }
            countWhole(isNewFailure, at: now)
        }
    }

    /// Whether the attempt began after the last connection failure. An earlier attempt was most likely ended by that same
    /// failure.
    private func isAfterLastConnectionFailure(_ call: Call) -> Bool {
        lastConnectionFailure.map { call.began >= $0 } ?? true
    }

    private mutating func countTarget(_ call: inout Call, at now: Moment) {
        makeRoom()
        var circuit = byTarget[call.target] ?? CircuitBreaker()
        // A failed probe request always counts.
        circuit.ended(!call.hasFailed || !circuit.isClosed ? .failed : .unknown, at: now)
        byTarget[call.target] = circuit
        call.hasFailed = true
    }

    private mutating func countWhole(_ isNewFailure: Bool, at now: Moment) {
        whole.ended(isNewFailure || !whole.isClosed ? .failed : .unknown, at: now)
    }

    private mutating func makeRoom() {
        if byTarget.count >= Self.targetsMax { byTarget.removeAll() }
        if unavailableUntil.count >= Self.targetsMax { unavailableUntil.removeAll() }
    }
}
