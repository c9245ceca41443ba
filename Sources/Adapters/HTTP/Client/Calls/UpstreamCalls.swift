import Synchronization

/// Counts the upstream calls made for one request.
package final class UpstreamCalls: Sendable {
    /// The counter of the request that the current task serves.
    @TaskLocal package static var current: UpstreamCalls?

    private let count = Atomic(0)

    package init() {}

    package func add() { count.add(1, ordering: .relaxed) }

    package var total: Int { count.load(ordering: .relaxed) }
}
