/// The slots of a rate limit that several replicas share. A slot is a time at which one request may be sent.
///
/// The shared store holds one ledger for each rate limit, and runs `take` as one transaction. The store's script and this value
/// do the same: both pass the same tests. All times are microseconds of the store's clock since 1970; rates are thousandths of
/// a request per second. The arithmetic is exact in floating-point numbers of 64 bits, which the script has.
///
/// - Slots are evenly spaced, so that any window of one second contains at most the rate (`Pacer`).
/// - Requests for which a caller waits may take slots further ahead than bulk requests, so they come first at every replica.
///   While callers take all slots, bulk still gets one in `bulkEvery`.
/// - While the store is away, each replica uses its own share of the rate, and says so when it returns. Others may not have
///   returned yet. Therefore the ledger then spends only the shares of the replicas that have asked it, for `returnTime`. It
///   does the same for a moment after a time without requests, or after a lost reply, since the store may have been away.
/// - A store that was restored from an older state notices it, since requests contain the last `serial` that their replica has
///   seen. It then grants nothing until all slots that it may have forgotten are a second old.
/// - The same happens when another server of the store takes over, as in a failover: its clock is another one, and it may have
///   lost the last slots without a replica that could tell.
package struct SlotLedger: Sendable, Equatable {
    /// The rate limit, which each request states.
    package struct Rules: Sendable, Equatable {
        /// The rate of all replicas together, in thousandths of a request per second; more than 0.
        package let rate: Int64

        /// Requests per day of all replicas together; 0 for no limit.
        package let perDay: Int64

        /// The part of `perDay` that bulk must not use.
        package let dayReserve: Int64

        /// Bulk gets one slot in this many while callers take all of them. More than 1.
        package let bulkEvery: Int64

        package init(rate: Int64, perDay: Int64 = 0, dayReserve: Int64 = 0, bulkEvery: Int64 = 20) {
            precondition(rate > 0 && bulkEvery > 1, "the rules must permit requests")
            self.rate = rate
            self.perDay = perDay
            self.dayReserve = dayReserve
            self.bulkEvery = bulkEvery
        }
    }

    /// The time in which at most the rate is sent: a second, and a margin for late timers and varying network latency.
    package static let window: Int64 = 1_012_000

    /// How far ahead of now requests get slots for which a caller waits, at least two slots. A replica that ends loses no more.
    fileprivate static let callerHorizon: Int64 = 250_000

    /// How far ahead of now bulk gets slots, at least one slot. A caller at another replica waits no longer for its slot.
    package static let bulkHorizon: Int64 = 60_000

    /// How long a replica waits for a reply.
    package static let replyTime: Int64 = 200_000

    /// How long the ledger waits for the return of replicas that use their own shares.
    package static let returnTime: Int64 = 5_000_000

    /// How long the ledger waits for the first replica that returns, after a time without requests.
    package static let noticeTime: Int64 = 800_000

    private static let day: Int64 = 86_400_000_000
    private static let factorUnit: Int64 = 1_000_000
    private static let factorMin: Int64 = 50_000

    /// Refusals within this time count as one, since their requests were in flight together.
    private static let simultaneousRefusals: Int64 = 500_000

    /// The server that took the last request; 0 if it is not known.
    private var server: Int64 = 0

    /// The number of requests so far.
    package private(set) var serial: Int64 = 0

    /// When the next slot is due. Slots before it are granted.
    private var next: Int64 = 0

    /// The source asked to send nothing before this time.
    private var blockedUntil: Int64 = 0

    /// The fraction of the rate in use, in millionths (`AIMDThrottle`).
    private var factor = factorUnit
    private var refusedAt: Int64 = 0
    private var factorChangedAt: Int64 = 0

    /// The number of the day since 1970, and the slots granted on it.
    private var today: Int64 = 0
    private var spent: Int64 = 0

    /// The source refuses all requests until this time, since its daily quota is used up.
    private var exhaustedUntil: Int64 = 0

    /// Bulk has waited for slots in the last second, if this is later than now.
    private var bulkWaitsUntil: Int64 = 0

    /// Slots that callers have taken while bulk waited.
    private var slotsSinceBulk: Int64 = 0

    private var lastAskedAt: Int64 = 0

    /// The end of the time in which replicas return, and among how many the rate was divided.
    private var returnsUntil: Int64 = 0
    private var replicasBefore: Int64 = 0

    /// The share of the rate that a replica uses while it does not reach the store.
    private struct Share: Equatable {
        enum State: Equatable {
            /// The replica announced its return then. It may not have received the reply, and still use its share.
            case announced(Int64)
            /// The ledger may spend the share.
            case unused(from: Int64)
        }

        var state: State

        /// When the replica asked last.
        var askedAt: Int64
    }

    private var shares: [Int64: Share] = [:]

    package init() {}

    /// The slots granted on the current day.
    package var spentToday: Int64 { spent }

    /// Grants slots.
    ///
    /// - Parameters:
    ///   - replica: Identifies the replica.
    ///   - now: The store's clock.
    ///   - server: Identifies the server of the store, which has this clock, since its start; 0 if it is not known.
    package mutating func take(
        _ request: SlotRequest, by replica: Int64, _ rules: Rules, at now: Int64, of server: Int64
    ) -> SlotReply {
        // Its replica has stopped waiting for the reply, and may use its own share by now.
        if request.expires > 0, request.expires < now {
            return reply(slots: [], retryAfter: 1000, at: now, of: server)
        }
        useServer(server, rules, at: now)
        repair(request, rules, at: now)
        serial += 1
        countDay(request, at: now)
        throttle(request, rules, at: now)
        admit(request, replica, rules, at: now)
        let rate = currentRate(rules, at: now)
        guard rate > 0 else { return reply(slots: [], retryAfter: returnWait(at: now), at: now) }
        let reduced = max(rate * factor / Self.factorUnit, 1)
        return grant(request, rules, spacing: Self.spacing(reduced), at: now)
    }

    /// Grants nothing for a while if the last request was taken by another server.
    private mutating func useServer(_ server: Int64, _ rules: Rules, at now: Int64) {
        if self.server != 0, server != 0, server != self.server {
            next = now + rules.horizon + Self.window
            // Replicas may use their own shares, as after any time in which the store was away.
            lastAskedAt = 0
            returnsUntil = 0
        }
        self.server = server
    }

    /// Corrects a state that is older than its requests, or whose clock was ahead.
    private mutating func repair(_ request: SlotRequest, _ rules: Rules, at now: Int64) {
        if serial < request.serialSeen {
            serial = request.serialSeen
            next = max(next, now + rules.horizon + Self.window)
        }
        // The clock was set back. Slots are never granted that far ahead.
        if next > now + 3 * Self.window + 50 * rules.spacing { next = now + rules.horizon + Self.window }
        if blockedUntil > now + Self.day { blockedUntil = 0 }
        if returnsUntil > now + Self.returnTime { returnsUntil = 0 }
        if lastAskedAt > now { lastAskedAt = 0 }
    }

    private mutating func countDay(_ request: SlotRequest, at now: Int64) {
        if now / Self.day > today {
            today = now / Self.day
            spent = 0
        }
        if request.day == today {
            spent = max(max(spent, request.spentSeen) + request.unshared - request.unused, 0)
        }
        if request.exhaustedFor > 0 {
            exhaustedUntil = max(exhaustedUntil, min(now + request.exhaustedFor, (now / Self.day + 2) * Self.day))
        }
        if exhaustedUntil > (now / Self.day + 2) * Self.day { exhaustedUntil = 0 }
    }

    private mutating func throttle(_ request: SlotRequest, _ rules: Rules, at now: Int64) {
        if factor < Self.factorUnit {
            // A twentieth of the rate per second.
            factor = min(factor + min(max(now - factorChangedAt, 0), 1_000_000) / 20, Self.factorUnit)
            factorChangedAt = now
        }
        guard request.isRefused else { return }
        if abs(now - refusedAt) >= Self.simultaneousRefusals {
            factor = max(factor * 7 / 10, Self.factorMin)
            refusedAt = now
            factorChangedAt = now
        }
        let pause = request.blockedFor > 0 ? request.blockedFor : Self.divide(1_000_000_000, rules.rate)
        blockedUntil = max(blockedUntil, now + min(pause, Self.day))
    }

    private mutating func admit(_ request: SlotRequest, _ replica: Int64, _ rules: Rules, at now: Int64) {
        let wasAway = request.isDoubtful || now - lastAskedAt >= rules.horizon + Self.window
        lastAskedAt = now
        if wasAway {
            if now >= returnsUntil {
                shares = [:]
                replicasBefore = 0
            }
            replicasBefore = max(replicasBefore, request.replicas)
            returnsUntil = max(returnsUntil, now + (request.isReturning ? Self.returnTime : Self.noticeTime))
        }
        if request.isReturning {
            shares[replica] = Share(state: .announced(now), askedAt: now)
        } else if now < returnsUntil {
            var share = shares[replica] ?? Share(state: .unused(from: now), askedAt: now)
            share.askedAt = now
            // The reply to its announcement has arrived. Its last own requests will soon be a second old.
            if case .announced(let moment) = share.state {
                share.state = .unused(from: moment + Self.replyTime + Self.window)
            }
            shares[replica] = share
        }
    }

    private func currentRate(_ rules: Rules, at now: Int64) -> Int64 {
        guard now < returnsUntil else { return rules.rate }
        let unused = shares.values.count { share in
            guard case .unused(let from) = share.state, from <= now else { return false }
            // Later, it may have lost the store again.
            return now <= share.askedAt + rules.callerHorizon
        }
        return min(rules.rate, SlotHolder.ownShare(of: rules.rate, replicas: replicasBefore) * Int64(unused))
    }

    /// How long until the rate may be more than 0.
    private func returnWait(at now: Int64) -> Int64 {
        let moments = shares.values.compactMap { share -> Int64? in
            guard case .unused(let from) = share.state, from > now else { return nil }
            return from
        }
        return min(moments.min().map { $0 - now } ?? Self.bulkHorizon, Self.bulkHorizon)
    }

    private mutating func grant(_ request: SlotRequest, _ rules: Rules, spacing: Int64, at now: Int64) -> SlotReply {
        let callerEnd = now + rules.callerHorizon
        let bulkEnd = now + max(Self.bulkHorizon, rules.spacing)
        let isExhausted = exhaustedUntil > now
        let callerDay = isExhausted ? 0 : rules.perDay > 0 ? rules.perDay : .max
        let bulkDay = isExhausted ? 0 : rules.perDay > 0 ? rules.perDay - rules.dayReserve : .max
        var slots: [Int64] = []
        var start = max(now, next, blockedUntil)
        func takeSlot() {
            slots.append(start)
            start += spacing
            next = start
            spent += 1
        }

        var callersLeft = request.callers
        while callersLeft > 0, start <= callerEnd, spent < callerDay {
            takeSlot()
            callersLeft -= 1
        }
        if now < bulkWaitsUntil { slotsSinceBulk += Int64(slots.count) }
        var bulkLeft = request.bulk
        var isBulkDue = slotsSinceBulk >= rules.bulkEvery - 1
        while bulkLeft > 0, start <= bulkEnd || (isBulkDue && start <= callerEnd + rules.spacing), spent < bulkDay {
            takeSlot()
            bulkLeft -= 1
            slotsSinceBulk = 0
            isBulkDue = false
        }
        if bulkLeft > 0 { bulkWaitsUntil = now + 1_000_000 }

        let retryAfter: Int64
        if callersLeft > 0 {
            retryAfter = spent < callerDay ? start - callerEnd : 1_000_000
        } else if bulkLeft > 0 {
            // A little later than the first slot is free, so that one request takes several.
            retryAfter = spent < bulkDay ? start - bulkEnd + Self.bulkHorizon / 4 : 1_000_000
        } else {
            return reply(slots: slots, retryAfter: 0, at: now)
        }
        return reply(slots: slots, retryAfter: max(retryAfter, 1000), at: now)
    }

    /// - Parameter server: The server of the request if it is not the last one.
    private func reply(slots: [Int64], retryAfter: Int64, at now: Int64, of server: Int64? = nil) -> SlotReply {
        SlotReply(
            now: now, server: server ?? self.server, slots: slots, retryAfter: retryAfter, serial: serial, day: today,
            spent: spent,
            exhaustedFor: max(exhaustedUntil - now, 0))
    }

    /// The time between two slots at a rate.
    fileprivate static func spacing(_ rate: Int64) -> Int64 { divide(window * 1000, rate) }

    /// Divides and rounds up. Both are positive.
    private static func divide(_ dividend: Int64, _ divisor: Int64) -> Int64 { (dividend + divisor - 1) / divisor }
}

extension SlotLedger.Rules {
    /// The time between two slots at the whole rate.
    fileprivate var spacing: Int64 { SlotLedger.spacing(rate) }

    /// How far ahead of now requests get slots for which a caller waits.
    fileprivate var callerHorizon: Int64 { max(SlotLedger.callerHorizon, 2 * spacing) }

    /// How far ahead of now any slot is granted: bulk may get one behind those of callers.
    package var horizon: Int64 { callerHorizon + spacing }
}
