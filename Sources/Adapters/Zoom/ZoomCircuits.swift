import Domain

/// The circuit breakers of one master account: one for each account whose calls fail, and one for Zoom as a whole.
///
/// An account whose calls always fail stops nobody else: it counts once toward the whole between two answers of Zoom's. So
/// do all calls that one lost connection or one failed attempt to connect ends, and all attempts of one call.
struct ZoomCircuits: Sendable {
    /// What the end of an attempt says of Zoom.
    enum Evidence: Sendable, Equatable {
        /// Zoom answered, be it with a refusal.
        case answered
        /// Zoom failed to answer this request.
        case requestFailed
        /// The connection was lost.
        case connectionLost
        /// No connection could be made.
        case unreachable
        /// As `requestFailed`, and Zoom says for how long it is not to be asked this.
        case unavailable(for: Duration)
        /// Nothing was sent, or what came is no sign of how Zoom does.
        case nothing
    }

    /// A call, from its first attempt to its last.
    struct Call: Sendable {
        /// What is asked for: the path of an account's billing, or of the list.
        let target: String

        /// When its present attempt began.
        var began: Moment

        /// Whether a failure of it has been counted.
        fileprivate var hasFailed: Bool

        /// - Parameter isRepeated: The call repeats one that has failed.
        init(_ target: String, began: Moment, isRepeated: Bool) {
            self.target = target
            self.began = began
            hasFailed = isRepeated
        }
    }

    private var whole = CircuitBreaker()

    /// Those of targets that failed last time.
    private var byTarget: [String: CircuitBreaker] = [:]

    /// Until when a target is not to be asked for, by Zoom's own word.
    private var unavailable: [String: Moment] = [:]

    /// Targets that have been counted toward the whole since Zoom last answered.
    private var counted: Set<String> = []
    private var lastConnectionFailure: Moment?

    /// Bounds memory when many accounts fail. Beyond it all are forgotten: they fail again, or not.
    private static let targetsMax = 1000

    var isClosed: Bool { whole.isClosed }

    /// Whether an attempt may be made now.
    mutating func enter(_ call: Call, at now: Moment) -> CircuitBreaker.Admission {
        if let until = unavailable[call.target] {
            if now < until { return .refused(retryAfter: until - now) }
            unavailable[call.target] = nil
        }
        if case .refused(let wait)? = byTarget[call.target]?.enter(at: now) { return .refused(retryAfter: wait) }
        let admission = whole.enter(at: now)
        // The target's own circuit may have admitted a probe that is not made.
        if case .refused = admission { byTarget[call.target]?.ended(.unknown, at: now) }
        return admission
    }

    /// An attempt has ended.
    mutating func ended(_ evidence: Evidence, _ call: inout Call, at now: Moment) {
        switch evidence {
        case .answered:
            whole.ended(.answered, at: now)
            byTarget[call.target] = nil
            unavailable[call.target] = nil
            counted.removeAll()
            lastConnectionFailure = nil
        case .nothing:
            whole.ended(.unknown, at: now)
            byTarget[call.target]?.ended(.unknown, at: now)
        case .requestFailed, .unavailable:
            if case .unavailable(let wait) = evidence {
                makeRoom()
                unavailable[call.target] = now + wait
            }
            countTarget(&call, at: now)
            countWhole(counted.insert(call.target).inserted, at: now)
        case .connectionLost:
            countTarget(&call, at: now)
            let isNews = isAfterLastConnectionFailure(call) && counted.insert(call.target).inserted
            if isNews { lastConnectionFailure = now }
            countWhole(isNews, at: now)
        case .unreachable:
            byTarget[call.target]?.ended(.unknown, at: now)
            let isNews = isAfterLastConnectionFailure(call) && !call.hasFailed
            call.hasFailed = true
            if isNews { lastConnectionFailure = now }
            countWhole(isNews, at: now)
        }
    }

    /// An attempt that began before is ended by the same event, most likely.
    private func isAfterLastConnectionFailure(_ call: Call) -> Bool {
        lastConnectionFailure.map { call.began >= $0 } ?? true
    }

    private mutating func countTarget(_ call: inout Call, at now: Moment) {
        makeRoom()
        var circuit = byTarget[call.target] ?? CircuitBreaker()
        // A probe that fails always counts.
        circuit.ended(!call.hasFailed || !circuit.isClosed ? .failed : .unknown, at: now)
        byTarget[call.target] = circuit
        call.hasFailed = true
    }

    private mutating func countWhole(_ isNews: Bool, at now: Moment) {
        whole.ended(isNews || !whole.isClosed ? .failed : .unknown, at: now)
    }

    private mutating func makeRoom() {
        if byTarget.count >= Self.targetsMax { byTarget.removeAll() }
        if unavailable.count >= Self.targetsMax { unavailable.removeAll() }
    }
}
