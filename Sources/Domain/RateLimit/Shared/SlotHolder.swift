/// When this replica may send requests within a rate limit that replicas share. A pure state machine: it says what to ask of the
/// shared `SlotLedger`, and receives the replies.
///
/// While the store does not answer, the replica uses its own share of the rate: the rate divided by the last known number of
/// replicas. It begins a second later, when all granted slots of all replicas are past.
package struct SlotHolder: Sendable {
    private enum Source {
        /// The ledger.
        case ledger
        /// Nothing, since the ledger does not answer: the own share from this moment on.
        case none(ownFrom: Moment)
        /// The own share.
        case own(LocalRate)
    }

    /// How late a request may be sent in its slot. Together with the variation of network latency it is less than the margin
    /// of `SlotLedger.window`.
    package static let latenessMax = Duration.milliseconds(8)

    /// How long to wait for the reply of the ledger.
    package static let replyTime = Duration.microseconds(SlotLedger.replyTime)

    /// The pause before the next request to a ledger that did not answer.
    private static let failurePause = Duration.milliseconds(200)
    private static let window = Duration.microseconds(SlotLedger.window)

    /// The most slots of one request.
    private static let slotsMax = 32

    /// The number of replies without a usable slot after which the ledger counts as too slow.
    private static let uselessRepliesMax = 3

    private let limit: Int
    package let rules: SlotLedger.Rules
    private var source = Source.ledger
    private var clock = LedgerClock()

    /// The server of the store that has this clock.
    private var server: Int64 = 0

    /// The slots in hand, in order.
    private var slots: [Moment] = []

    /// The request that waits for its reply, and when it was sent.
    private var asked: (request: SlotRequest, sent: Moment)?

    /// No request is sent before this moment.
    private var askFrom: Moment?

    /// What the next request reports.
    private var report = SlotRequest()

    /// The source asked to send nothing before this moment.
    private var blockedUntil: Moment?

    /// Whether the last reply left requests of callers without slots.
    private var isSaturated = false
    private var uselessReplies = 0

    /// The last known number of replicas; at least 1.
    package var replicas: Int {
        didSet { replicas = max(replicas, 1) }
    }

    /// - Parameters:
    ///   - limit: Requests in any one second, of all clients together.
    ///   - replicas: The number of replicas that is assumed until it is known.
    package init(limit: Int, rules: SlotLedger.Rules, replicas: Int) {
        self.limit = limit
        self.rules = rules
        self.replicas = max(replicas, 1)
    }

    /// The share of one replica, in thousandths of a request per second: whole requests per second where possible, since only
    /// those add up to the rate in every window of one second.
    package static func ownShare(of rate: Int64, replicas: Int64) -> Int64 {
        let whole = rate / 1000 / max(replicas, 1)
        return whole > 0 ? whole * 1000 : max(rate / max(replicas, 1), 1)
    }

    /// Whether the own share is in use, or will be soon.
    package var isOwnShare: Bool {
        switch source {
        case .ledger: false
        case .none, .own: true
        }
    }

    /// The number of requests per second that this replica can expect.
    var perSecond: Double {
        switch source {
        case .own(let rate): rate.perSecond
        case .none: Double(Self.ownShare(of: rules.rate, replicas: Int64(replicas))) / 1000
        case .ledger: Double(rules.rate) / 1000 / (isSaturated ? Double(replicas) : 1)
        }
    }

    // MARK: Slots

    /// When the next request may be sent, not before `now`; `nil` if the ledger must grant a slot first.
    mutating func nextSlot(at now: Moment) -> Moment? {
        let late = slots.prefix { $0 + Self.latenessMax < max(now, blockedUntil ?? now) }.count
        if late > 0 {
            slots.removeFirst(late)
            report.unused += Int64(late)
        }
        if let slot = slots.first { return max(slot, blockedUntil ?? now, now) }
        switch source {
        case .ledger: return blockedUntil.flatMap { $0 > now ? $0 : nil }
        case .own(let rate): return rate.nextSlot(at: now)
        case .none(let ownFrom):
            guard ownFrom <= now else { return ownFrom }
            let share = Self.ownShare(of: rules.rate, replicas: Int64(replicas))
            let rate = LocalRate(limit: limit, share: Double(share) / 1000 / Double(limit))
            source = .own(rate)
            return rate.nextSlot(at: now)
        }
    }

    /// Records a request that is sent now, which is not before `nextSlot`.
    ///
    /// - Returns: Whether the ledger has counted the request when it granted the slot.
    mutating func spend(at now: Moment) -> Bool {
        guard slots.isEmpty else {
            slots.removeFirst()
            return true
        }
        guard case .own(var rate) = source else { return false }
        rate.spend(at: now)
        source = .own(rate)
        report.unshared += 1
        return false
    }

    // MARK: The ledger

    /// The request to send to the ledger now; `nil` if there is nothing to ask or report, or a request waits for its reply.
    /// Call `received` or `failed` afterwards.
    ///
    /// - Parameters:
    ///   - callers: The number of queued requests for which a caller waits.
    ///   - others: The number of other queued requests.
    package mutating func takeRequest(callers: Int, others: Int, at now: Moment) -> SlotRequest? {
        guard asked == nil, askFrom.map({ $0 <= now }) ?? true else { return nil }
        var request = report
        request.replicas = Int64(replicas)
        request.isDoubtful = isOwnShare
        switch source {
        case .own:
            request.isReturning = true
        case .ledger, .none:
            request.callers = min(max(callers - slots.count, 0), Self.slotsMax)
            let wanted = min(callers + others - slots.count, Self.slotsMax)
            request.bulk = max(wanted - request.callers, 0)
            // After a failure another request follows in any case, so that the own share is used as seldom as possible.
            guard wanted > 0 || request.isRefused || request.exhaustedFor > 0 || isOwnShare else { return nil }
        }
        request.expires = clock.time(at: now + Self.replyTime) ?? 0
        asked = (request, now)
        report.unused = 0
        report.unshared = 0
        report.isRefused = false
        report.blockedFor = 0
        report.exhaustedFor = 0
        return request
    }

    /// When `takeRequest` has a request for this number of queued requests, not before `now`; `nil` while one waits for its
    /// reply, or if nothing is wanted.
    func askMoment(queued: Int, at now: Moment) -> Moment? {
        guard asked == nil, queued > slots.count || isOwnShare else { return nil }
        return max(askFrom ?? now, now)
    }

    /// Records the reply to the request.
    package mutating func received(_ reply: SlotReply, at now: Moment) {
        guard let (request, sent) = asked else { return }
        asked = nil
        if reply.server != server {
            server = reply.server
            clock = LedgerClock()
            slots = []
        }
        if !clock.replied(reply.now, sent: sent, at: now) { slots = [] }
        learn(reply)
        askFrom = now + .microseconds(reply.retryAfter)
        if case .own = source, !request.isReturning {
            // A late reply from before the own share was in use. Its slots are lost.
            report.unused += Int64(reply.slots.count)
            return
        }
        source = .ledger
        isSaturated = request.callers > reply.slots.count
        let before = slots.count
        for slot in reply.slots {
            guard let moment = clock.moment(of: slot), moment + Self.latenessMax >= now else { continue }
            slots.append(moment)
        }
        slots.sort()
        report.unused += Int64(reply.slots.count - (slots.count - before))
        guard slots.count == before, !reply.slots.isEmpty else { return uselessReplies = 0 }
        uselessReplies += 1
        if uselessReplies >= Self.uselessRepliesMax { loseLedger(at: now) }
    }

    private mutating func learn(_ reply: SlotReply) {
        report.serialSeen = max(report.serialSeen, reply.serial)
        if reply.day != report.day {
            report.day = reply.day
            report.spentSeen = 0
            report.unshared = 0
            report.unused = 0
        }
        report.spentSeen = max(report.spentSeen, reply.spent)
    }

    /// Records that the ledger did not answer the request in time. A later reply is ignored.
    package mutating func failed(at now: Moment) {
        guard let (request, _) = asked else { return }
        asked = nil
        // The store that answers next may have another clock.
        clock = LedgerClock()
        // Reported again. If the ledger has received it, requests count twice, and none is forgotten.
        report.unshared += request.unshared
        report.isRefused = report.isRefused || request.isRefused
        report.blockedFor = max(report.blockedFor, request.blockedFor)
        report.exhaustedFor = max(report.exhaustedFor, request.exhaustedFor)
        loseLedger(at: now)
    }

    private mutating func loseLedger(at now: Moment) {
        uselessReplies = 0
        askFrom = now + Self.failurePause
        if case .ledger = source {
            source = .none(ownFrom: now + .microseconds(rules.horizon) + Self.window)
        }
    }

    // MARK: Answers of the source

    mutating func accepted(remaining: Int?, sent: Moment, at now: Moment) {
        guard case .own(var rate) = source else { return }
        rate.accepted(remaining: remaining, sent: sent, at: now)
        source = .own(rate)
    }

    mutating func refused(retryAfter: Duration?, sent: Moment, at now: Moment) {
        if case .own(var rate) = source {
            rate.refused(retryAfter: retryAfter, sent: sent, at: now)
            source = .own(rate)
        }
        report.isRefused = true
        report.blockedFor = max(report.blockedFor, retryAfter?.wholeMicroseconds ?? 0)
        blockedUntil = now + (retryAfter ?? .seconds(1) / Double(limit))
    }

    mutating func dailyQuotaExhausted(for duration: Duration) {
        report.exhaustedFor = max(report.exhaustedFor, duration.wholeMicroseconds)
    }
}

extension Duration {
    fileprivate var wholeMicroseconds: Int64 {
        let (seconds, attoseconds) = components
        return min(max(seconds, 0), 1 << 32) * 1_000_000 + attoseconds / 1_000_000_000_000
    }
}
