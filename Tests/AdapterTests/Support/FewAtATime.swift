import DomainFakes
import Synchronization
import Testing

/// Tests that run whole programs, of which a machine takes a few at a time: with all of them at once, those beside them
/// would wait longer for an event loop than any deadline of theirs.
struct FewAtATime: SuiteTrait, TestTrait, TestScoping {
    private static let places = Places(2)

    var isRecursive: Bool { true }

    @concurrent func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        // For each case; a suite, or a test as a whole, takes no place itself.
        guard testCase != nil else { return try await function() }
        try await Self.places.take()
        defer { Self.places.giveBack() }
        try await function()
    }
}

extension Trait where Self == FewAtATime {
    static var fewAtATime: FewAtATime { FewAtATime() }
}

private final class Places: Sendable {
    private struct State {
        var free: Int
        var waits: [PendingWait<Void>] = []
    }

    private let state: Mutex<State>

    init(_ count: Int) {
        state = Mutex(State(free: count))
    }

    func take() async throws(CancellationError) {
        try await wait(for: "a place to run a program") { (pending: PendingWait<Void>) in
            let isFree = state.withLock { state in
                guard state.free > 0 else {
                    state.waits.append(pending)
                    return false
                }
                state.free -= 1
                return true
            }
            if isFree, !pending.resume(returning: ()) { giveBack() }
        }
    }

    func giveBack() {
        while true {
            let next = state.withLock { state -> PendingWait<Void>? in
                guard !state.waits.isEmpty else {
                    state.free += 1
                    return nil
                }
                return state.waits.removeFirst()
            }
            // A test that was cancelled takes no place: it is the next one's.
            guard let next, !next.resume(returning: ()) else { return }
        }
    }
}
