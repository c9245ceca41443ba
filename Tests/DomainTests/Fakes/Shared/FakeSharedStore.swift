package import Domain
import Synchronization

/// The answers that replicas share, in memory. It can be away, and delay the reports of changes.
package final class FakeSharedStore: Sendable {
    private struct Key: Hashable {
        let read: AccountRead
        let master: Name?
    }

    private struct Place: Hashable {
        let operation: Operation
        let account: AccountID

        init(_ operation: Operation, _ account: AccountID) {
            self.operation = operation
            self.account = account
        }

        init(_ read: AccountRead) {
            self.init(read.operation, read.account)
        }
    }

    private struct Stored {
        let answer: SharedAnswer
        let receivedAt: Moment
        let end: Moment

        func answer(at now: Moment) -> SharedAnswer {
            SharedAnswer(
                answer.encoded, answer.content, age: max(now - receivedAt, .zero), lifetime: answer.lifetime)
        }
    }

    private struct Version {
        let number: Int
        let at: Moment
        let isChanging: Bool
    }

    private struct Claim {
        let replica: Int
        let isUrgent: Bool
        let end: Moment
    }

    private struct State {
        var answers: [Key: Stored] = [:]
        var versions: [Place: Version] = [:]
        var claims: [Key: Claim] = [:]
        var listeners: [Int: @Sendable (SharedAnswersEvent) -> Void] = [:]
        var isAway = false
        var calls = 0
        var lastNumber = 0
    }

    /// After this time, a change that has begun counts as ended.
    private static let changeTime = Duration.seconds(120)

    private let state = Mutex(State())
    private let time: any TimeSource

    package init(time: any TimeSource) {
        self.time = time
    }

    /// While it is away, every call fails.
    package func setAway(_ isAway: Bool) { state.withLock { $0.isAway = isAway } }

    /// The calls so far, failed ones too.
    package var calls: Int { state.withLock { $0.calls } }

    package var count: Int { state.withLock { $0.answers.count } }

    /// Forgets everything.
    package func clear() {
        state.withLock { state in
            state.answers = [:]
            state.versions = [:]
            state.claims = [:]
        }
    }

    /// The store as a replica calls it.
    package struct Replica: SharedAnswers {
        fileprivate let number: Int
        fileprivate let store: FakeSharedStore

        /// Begins to receive the changes of other replicas.
        package func listen(_ receive: @escaping @Sendable (SharedAnswersEvent) -> Void) {
            store.state.withLock { $0.listeners[number] = receive }
            receive(.connected)
        }

        /// Ends it without an event.
        package func disconnect() {
            store.state.withLock { _ = $0.listeners.removeValue(forKey: number) }
        }

        /// Ends it, and tells so.
        package func lose() {
            store.state.withLock { $0.listeners.removeValue(forKey: number) }?(.lost)
        }

        private func call<Result>(
            _ body: (inout State, Moment) -> Result
        ) throws(SharedAnswersFailure) -> Result {
            let now = store.time.now
            let result = store.state.withLock { state -> Result? in
                state.calls += 1
                return state.isAway ? nil : body(&state, now)
            }
            guard let result else { throw SharedAnswersFailure() }
            return result
        }

        package func find(
            _ read: AccountRead, under master: Name?, _ wanted: WantedAnswer, within limit: Duration
        ) async throws(SharedAnswersFailure) -> SharedFinding {
            try call { state, now in
                let key = Key(read: read, master: master)
                let place = FakeSharedStore.place(state.versions[Place(read)], now)
                if let stored = state.answers[key], now < stored.end {
                    let answer = stored.answer(at: now)
                    if wanted.permits(age: answer.age.milliseconds, lifetime: answer.lifetime.milliseconds) {
                        return .answer(answer, place)
                    }
                }
                guard let wish = wanted.claim, !place.isChanging else { return .absent(place) }
                if let claim = state.claims[key], claim.replica != number, now < claim.end,
                    claim.isUrgent || !wish.isUrgent
                {
                    return .claimed(place)
                }
                state.claims[key] = Claim(replica: number, isUrgent: wish.isUrgent, end: now + wish.lifetime)
                return .absent(place)
            }
        }

        package func find(
            _ reads: [AccountRead], under master: Name?, within limit: Duration
        ) async throws(SharedAnswersFailure) -> [SharedAnswer?] {
            try call { state, now in
                reads.map { read -> SharedAnswer? in
                    guard let stored = state.answers[Key(read: read, master: master)], now < stored.end else {
                        return nil
                    }
                    return stored.answer(at: now)
                }
            }
        }

        package func put(
            _ answer: SharedAnswer, to read: AccountRead, under master: Name?, _ place: SharedPlace,
            timeToLive: Duration, within limit: Duration
        ) async throws(SharedAnswersFailure) {
            try call { state, now in
                let key = Key(read: read, master: master)
                if state.claims[key]?.replica == number { state.claims[key] = nil }
                guard place.version == FakeSharedStore.place(state.versions[Place(read)], now).version
                else { return }
                let receivedAt =
                    min(Moment(sinceOrigin: .milliseconds(place.time)) - answer.age, now)
                if let old = state.answers[key], now < old.end, old.receivedAt > receivedAt { return }
                state.answers[key] = Stored(answer: answer, receivedAt: receivedAt, end: now + timeToLive)
            }
        }

        package func release(
            _ read: AccountRead, under master: Name?, within limit: Duration
        ) async throws(SharedAnswersFailure) {
            try call { state, _ in
                let key = Key(read: read, master: master)
                if state.claims[key]?.replica == number { state.claims[key] = nil }
            }
        }

        package func record(_ change: SharedChange, within limit: Duration) async throws(SharedAnswersFailure) {
            let listeners = try call { state, now in
                state.lastNumber += 1
                for operation in change.operations {
                    state.versions[Place(operation, change.account)] = Version(
                        number: state.lastNumber, at: now, isChanging: change.phase == .began)
                }
                state.answers = state.answers.filter { key, _ in
                    key.read.account != change.account || !change.operations.contains(key.read.operation)
                }
                return state.listeners.filter { $0.key != number }.sorted { $0.key < $1.key }.map(\.value)
            }
            for listener in listeners { listener(.changed(change)) }
        }
    }

    package func replica() -> Replica {
        Replica(
            number: state.withLock { state in
                state.lastNumber += 1
                return state.lastNumber
            }, store: self)
    }

    private static func place(_ version: Version?, _ now: Moment) -> SharedPlace {
        let time = now.sinceOrigin.milliseconds
        guard let version else { return SharedPlace(version: [], sinceChange: nil, isChanging: false, time: time) }
        let since = now - version.at
        return SharedPlace(
            version: Array(String(version.number).utf8), sinceChange: since,
            isChanging: version.isChanging && since < changeTime, time: time)
    }
}

extension Duration {
    fileprivate var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
