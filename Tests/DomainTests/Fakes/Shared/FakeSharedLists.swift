package import Domain
import Synchronization

/// The account lists that replicas share, in memory. It can be away.
package final class FakeSharedLists: Sendable {
    private struct Key: Hashable {
        let filter: SubAccountFilter
        let master: Name?
    }

    private struct Stored {
        let list: SharedAccountList
        let began: Moment
        let end: Moment
    }

    private struct Claim {
        let replica: Int
        var end: Moment
    }

    private struct State {
        var lists: [Key: Stored] = [:]
        var claims: [Key: Claim] = [:]
        var isAway = false
        var replicas = 0
    }

    private let state = Mutex(State())
    private let time: any TimeSource

    package init(time: any TimeSource) {
        self.time = time
    }

    /// While it is away, nothing is found or stored.
    package func setAway(_ isAway: Bool) { state.withLock { $0.isAway = isAway } }

    /// The store as another replica uses it.
    package func replica() -> any SharedAccountLists {
        let number = state.withLock { state in
            state.replicas += 1
            return state.replicas
        }
        return Replica(store: self, number: number)
    }

    private func use<Result>(_ body: (inout State, Moment) -> Result) -> Result? {
        let now = time.now
        return state.withLock { state in
            guard !state.isAway else { return nil }
            state.claims = state.claims.filter { $0.value.end > now }
            state.lists = state.lists.filter { $0.value.end > now }
            return body(&state, now)
        }
    }

    private struct Replica: SharedAccountLists {
        let store: FakeSharedLists
        let number: Int

        func find(
            _ filter: SubAccountFilter, under master: Name?, claim: Duration,
            isWanted: @Sendable (SharedAccountList.Times) -> Bool
        ) async -> SharedListFinding {
            let key = Key(filter: filter, master: master)
            return store.use { state, now in
                if let stored = state.lists[key] {
                    let times = SharedAccountList.Times(age: now - stored.began, took: stored.list.times.took)
                    if isWanted(times) {
                        return .list(SharedAccountList(stored.list.list, stored.list.records, times))
                    }
                }
                if let owner = state.claims[key]?.replica, owner != number { return .claimed }
                state.claims[key] = Claim(replica: number, end: now + claim)
                return .absent
            } ?? .absent
        }

        func extendClaim(_ filter: SubAccountFilter, under master: Name?, to claim: Duration) async {
            let key = Key(filter: filter, master: master)
            _ = store.use { state, now in
                if state.claims[key]?.replica == number { state.claims[key]?.end = now + claim }
            }
        }

        func endClaim(_ filter: SubAccountFilter, under master: Name?) async {
            let key = Key(filter: filter, master: master)
            _ = store.use { state, _ in
                if state.claims[key]?.replica == number { state.claims[key] = nil }
            }
        }

        func put(
            _ list: SharedAccountList, _ filter: SubAccountFilter, under master: Name?, timeToLive: Duration
        ) async {
            await endClaim(filter, under: master)
            let key = Key(filter: filter, master: master)
            _ = store.use { state, now in
                let began = now - list.times.age
                if let stored = state.lists[key], stored.began > began { return }
                state.lists[key] = Stored(list: list, began: began, end: now + timeToLive)
            }
        }
    }
}
