/// When requests may be sent within a rate limit, as far as this process knows: from its own requests, and from what the source
/// reports about those of other clients.
struct LocalRate: Sendable {
    private let limit: Int
    private let share: Double
    private var pacer: Pacer
    private var slidingWindow: SlidingWindowEstimator

    /// In use while the source does not report the remaining quota. Only refusals then show that others use the rate.
    private var throttle = AIMDThrottle()

    /// The source asked us to send nothing before this time.
    private var blockedUntil: Moment?

    /// - Parameters:
    ///   - limit: Requests in any one second, of all clients together.
    ///   - share: The fraction of the limit that we may use, above 0 to 1.
    init(limit: Int, share: Double) {
        self.limit = limit
        self.share = share
        pacer = Pacer(perSecond: Double(limit) * share)
        slidingWindow = SlidingWindowEstimator(limit: limit, share: share)
    }

    /// The current number of our requests per second.
    var perSecond: Double { min(Double(limit) * share * throttle.factor, slidingWindow.availableRate) }

    /// When the next request may be sent, not before `now`.
    func nextSlot(at now: Moment) -> Moment {
        // The quota that other clients leave fluctuates, so evenly spaced requests would often miss it. Each response
        // reports what is left now, and the next request uses that.
        let allowed = max(blockedUntil ?? now, throttle.nextSlot(at: now))
        return slidingWindow.isShared ? slidingWindow.nextSlot(at: allowed) : max(pacer.nextSlot(at: now), allowed)
    }

    mutating func spend(at now: Moment) {
        pacer.spend(at: now)
        slidingWindow.sent(at: now)
        throttle.sent(at: now, rate: Double(limit) * share)
    }

    /// Records a request that the source accepted. See `RateBudget.accepted`.
    mutating func accepted(remaining: Int?, sent: Moment, at now: Moment) {
        if let remaining {
            slidingWindow.reported(remaining: remaining, sent: sent, at: now)
            throttle.turnOff()
        }
        throttle.accepted(at: now)
    }

    /// Records a request that the source refused because of this limit.
    mutating func refused(retryAfter: Duration?, sent: Moment, at now: Moment) {
        slidingWindow.reported(remaining: 0, isRefused: true, sent: sent, at: now)
        throttle.refused(at: now)
        // Delay the next request, so that the refused requests do not all return at once.
        blockedUntil = now + (retryAfter ?? .seconds(1) / Double(limit))
    }
}
