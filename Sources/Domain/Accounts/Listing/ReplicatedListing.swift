/// How a replica lists accounts together with other replicas: one of them lists, and the others wait for its list.
struct ReplicatedListing: Sendable {
    /// The claim of a replica that was killed ends after this time.
    private static let claimTime = Duration.seconds(15)

    /// A replica that lists extends its claim at this interval.
    private static let extendInterval = Duration.seconds(3)
    private static let firstPoll = Duration.milliseconds(50)
    private static let pollMax = Duration.milliseconds(500)

    let store: any SharedAccountLists
    let filter: SubAccountFilter
    let master: Name?
    let time: any TimeSource

    /// The last time when this replica got or extended the claim.
    private var claimedAt: Moment

    init(_ store: any SharedAccountLists, _ filter: SubAccountFilter, under master: Name?, time: any TimeSource) {
        self.store = store
        self.filter = filter
        self.master = master
        self.time = time
        claimedAt = time.now
    }

    /// The list of another replica; `nil` if this replica must list itself.
    ///
    /// - Parameters:
    ///   - mayWait: Whether to wait while another replica lists.
    ///   - isWanted: Whether a list of this age is of use.
    mutating func find(
        mayWait: () -> Bool, isWanted: @Sendable (SharedAccountList.Times) -> Bool
    ) async -> SharedAccountList? {
        var poll = Self.firstPoll
        while !Task.isCancelled {
            claimedAt = time.now
            switch await store.find(filter, under: master, claim: Self.claimTime, isWanted: isWanted) {
            case .list(let list): return list
            case .absent: return nil
            case .claimed: break
            }
            guard mayWait(), (try? await time.sleep(until: time.now + poll)) != nil else { return nil }
            poll = min(poll * 2, Self.pollMax)
        }
        return nil
    }

    /// Extends the claim if it is time.
    mutating func extendClaim() async {
        guard time.now - claimedAt >= Self.extendInterval else { return }
        claimedAt = time.now
        await store.extendClaim(filter, under: master, to: Self.claimTime)
    }

    /// Also in a cancelled task: the other replicas need not wait until the claim ends by itself.
    func endClaim() async {
        await Task { [store, filter, master] in await store.endClaim(filter, under: master) }.value
    }

    /// - Parameter lifetime: How long the list is fresh.
    func put(_ list: SharedAccountList, lifetime: Duration) async {
        guard list.times.age < lifetime else { return await endClaim() }
        await store.put(list, filter, under: master, timeToLive: lifetime - list.times.age)
    }
}
