import Synchronization

/// How many calls to other services were made for a request.
package final class UpstreamCalls: Sendable {
    /// Of the request that the task works for.
    @TaskLocal package static var current: UpstreamCalls?

    private let count = Atomic(0)

    package init() {}

    package func add() { count.add(1, ordering: .relaxed) }

    package var total: Int { count.load(ordering: .relaxed) }
}
