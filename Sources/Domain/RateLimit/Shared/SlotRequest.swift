/// What a replica asks of a `SlotLedger`, and what it reports to it. Times are in microseconds.
package struct SlotRequest: Sendable, Equatable {
    /// The slots wanted for requests for which a caller waits.
    package var callers = 0

    /// The slots wanted for other requests.
    package var bulk = 0

    /// When the replica stops waiting for the reply, by the store's clock; 0 if the replica does not know that clock.
    package var expires: Int64 = 0

    /// The highest serial of the replies to this replica; 0 without one.
    package var serialSeen: Int64 = 0

    /// The last known number of replicas, among which the rate is divided while the store is away; at least 1.
    package var replicas: Int64 = 1

    /// Whether the request before this one had no reply. Other replicas may use their own shares.
    package var isDoubtful = false

    /// Whether the replica has used its own share since its last reply. It uses that until the reply arrives.
    package var isReturning = false

    /// The day of the three following numbers, in days since 1970.
    package var day: Int64 = 0

    /// The highest number of slots on this day that a reply has stated.
    package var spentSeen: Int64 = 0

    /// Requests that were sent without a slot.
    package var unshared: Int64 = 0

    /// Slots that were granted, and not used.
    package var unused: Int64 = 0

    /// Whether the source has refused a request because of the rate per second.
    package var isRefused = false

    /// How long the source asked to send nothing; 0 if it did not say.
    package var blockedFor: Int64 = 0

    /// How long the source refuses all requests because of its daily quota; 0 if it does not.
    package var exhaustedFor: Int64 = 0

    package init() {}
}

/// The answer of a `SlotLedger`. Times are in microseconds of the store's clock.
package struct SlotReply: Sendable, Equatable {
    package let now: Int64

    /// The server of the store, whose clock this is; 0 if it is not known.
    package let server: Int64

    /// When requests may be sent, in order.
    package let slots: [Int64]

    /// After which time the rest of the slots may be granted; 0 if all were.
    package let retryAfter: Int64
    package let serial: Int64

    /// The day, in days since 1970, and the slots granted on it.
    package let day: Int64
    package let spent: Int64

    /// How long the source refuses all requests because of its daily quota; 0 if it does not.
    package let exhaustedFor: Int64

    package init(
        now: Int64, server: Int64, slots: [Int64], retryAfter: Int64, serial: Int64, day: Int64, spent: Int64,
        exhaustedFor: Int64
    ) {
        self.now = now
        self.server = server
        self.slots = slots
        self.retryAfter = retryAfter
        self.serial = serial
        self.day = day
        self.spent = spent
        self.exhaustedFor = exhaustedFor
    }
}
