import Synchronization

/// The moments that streams give to their readers for later streams of changes, in milliseconds since 1970.
///
/// Each replica sees a change when it looks the account up itself, or takes the answer of another replica. Until then it serves its
/// cached answer. So a reader that used a moment at another replica could miss a change. Therefore the milliseconds of a moment
/// are the number of the replica that issued it, and other replicas refuse it.
package final class StreamMoments: Sendable {
    /// The number of replicas that can have a number at a time: 0, 1, and so on.
    package static let replicasMax = 999

    private static let only = -1
    private static let unnumbered = replicasMax
    private let number: Atomic<Int>

    /// - Parameter isShared: Whether there are other replicas. Until this one has a number, none accepts its moments.
    package init(isShared: Bool = false) {
        number = Atomic(isShared ? Self.unnumbered : Self.only)
    }

    /// - Parameter number: A number that no other replica has, or `nil` if it has been lost.
    package func setNumber(_ number: Int?) {
        self.number.store(number ?? Self.unnumbered, ordering: .relaxed)
    }

    /// The name of this replica: the milliseconds of its moments. `nil` if it is the only one.
    package var replica: String? {
        let number = number.load(ordering: .relaxed)
        return number == Self.only ? nil : String(String(number + 1000).dropFirst())
    }

    /// The last moment up to `moment` that is one of this replica, less than a second earlier.
    func issued(_ moment: Int64) -> Int64 {
        let number = Int64(number.load(ordering: .relaxed))
        guard number >= 0 else { return moment }
        let issued = moment - moment % 1000 + number
        return issued <= moment ? issued : issued - 1000
    }

    /// Whether this replica may have issued a moment.
    func isOwn(_ moment: Int64) -> Bool {
        switch number.load(ordering: .relaxed) {
        case Self.only: true
        case Self.unnumbered: false
        case let number: moment % 1000 == Int64(number)
        }
    }
}
