/// Account lists that replicas share, so that one replica lists for all.
///
/// This is an optimization: a replica lists for itself while the store does not answer. The time of the store decides about the age
/// of a list, so that the clocks of replicas need not agree.
package protocol SharedAccountLists: Sendable {
    /// Looks for the list that was stored last.
    ///
    /// - Parameters:
    ///   - claim: If the list is absent or not wanted, and no other replica has a claim, this replica gets one for this time: it
    ///     is about to list.
    ///   - isWanted: Whether a list of this age is of use. A list that is not wanted is not read.
    func find(
        _ filter: SubAccountFilter, under master: Name?, claim: Duration,
        isWanted: @Sendable (SharedAccountList.Times) -> Bool
    ) async -> SharedListFinding

    /// Extends the claim of this replica.
    func extendClaim(_ filter: SubAccountFilter, under master: Name?, to claim: Duration) async

    /// Ends the claim of this replica without a list.
    func endClaim(_ filter: SubAccountFilter, under master: Name?) async

    /// Stores a list, unless there is one whose listing began later. Ends the claim of this replica.
    ///
    /// - Parameter timeToLive: After this time the store removes the list.
    func put(
        _ list: SharedAccountList, _ filter: SubAccountFilter, under master: Name?, timeToLive: Duration
    ) async
}

/// An account list that replicas share.
package struct SharedAccountList: Sendable {
    package struct Times: Sendable, Equatable {
        /// The time since the listing began.
        package let age: Duration

        /// How long the listing took.
        package let took: Duration

        package init(age: Duration, took: Duration) {
            self.age = age
            self.took = took
        }
    }

    package let list: AccountList

    /// `nil` if the records exceed the limit of the replica that listed.
    package let records: AccountRecords?
    package let times: Times

    package init(_ list: AccountList, _ records: AccountRecords?, _ times: Times) {
        self.list = list
        self.records = records
        self.times = times
    }
}

package enum SharedListFinding: Sendable {
    case list(SharedAccountList)
    /// Another replica is listing.
    case claimed
    /// There is no list that is wanted, or the store does not answer. If it answers, this replica now has the claim.
    case absent
}
