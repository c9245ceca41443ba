import Domain
import DomainFakes
import Synchronization

/// A source whose accounts change, come and go.
final class ChangingAccounts: BillingSource, SubAccountDirectory {
    private struct State {
        /// The contents of the listed accounts. Negative: the account pays for itself.
        var contents: [AccountID: Int] = [:]
        var failing: Set<AccountID> = []

        /// The probability that any call fails.
        var failureShare = 0.0
        var random: SeededRandom
        var calls = 0
    }

    private let state: Mutex<State>
    private let time: SteppingClock

    /// There are few contents, so that accounts often get a former one.
    private static let contents = -1...3

    private static let ids = (0..<300).map { AccountID(literal: "a\($0 * 7919 % 1009)") }

    init(_ count: Int, seed: UInt64, time: SteppingClock) {
        self.time = time
        state = Mutex(State(random: SeededRandom(seed: seed)))
        for _ in 0..<count { add() }
    }

    var calls: Int { state.withLock { $0.calls } }

    func add() {
        state.withLock { state in
            let account = Self.ids[Int.random(in: Self.ids.indices, using: &state.random)]
            state.contents[account] = Int.random(in: Self.contents, using: &state.random)
        }
    }

    func remove() {
        state.withLock { state in
            guard let account = state.contents.keys.sorted().randomElement(using: &state.random) else { return }
            state.contents[account] = nil
        }
    }

    /// - Returns: The account that changed.
    @discardableResult
    func change() -> AccountID? {
        state.withLock { state in
            guard let account = state.contents.keys.sorted().randomElement(using: &state.random) else { return nil }
            state.contents[account] = Int.random(in: Self.contents, using: &state.random)
            return account
        }
    }

    func change(_ account: AccountID) {
        state.withLock { state in
            guard state.contents[account] != nil else { return }
            state.contents[account] = Int.random(in: Self.contents, using: &state.random)
        }
    }

    func someAccount() -> AccountID {
        state.withLock { Self.ids[Int.random(in: Self.ids.indices, using: &$0.random)] }
    }

    /// Lets a share of all calls fail, and some accounts always.
    func fail(share: Double) {
        state.withLock { state in
            state.failureShare = share
            state.failing = []
            for account in state.contents.keys.sorted() where share > 0 {
                if Int.random(in: 0..<20, using: &state.random) == 0 { state.failing.insert(account) }
            }
        }
    }

    private func pause() async {
        for _ in 0..<state.withLock({ Int.random(in: 0...2, using: &$0.random) }) { await Task.yield() }
        if state.withLock({ Bool.random(using: &$0.random) }) { time.advance(by: .milliseconds(1)) }
    }

    func answer(
        to read: AccountRead, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> SourceAnswer {
        await pause()
        let (content, fails) = state.withLock { state -> (Int?, Bool) in
            state.calls += 1
            let fails =
                state.failing.contains(read.account)
                || Double.random(in: 0..<1, using: &state.random) < state.failureShare
            return (state.contents[read.account], fails)
        }
        // The content may change before the answer arrives.
        await pause()
        if fails { throw .sourceFailed }
        guard let content else { throw .accountNotFound(read.account) }
        if content < 0 { throw .selfPay }
        return .document(SourceDocument(text: Array("\(read.operation) \(content)".utf8)))
    }

    func hasQueuedRequests(for operation: Domain.Operation, under master: Name?) -> Bool { false }

    func page(
        of master: Name?, _ request: SubAccountPageRequest, for purpose: Purpose
    ) async throws(BillingFailure) -> SubAccountPage {
        await pause()
        let ids = state.withLock { $0.contents.keys.sorted() }
        return SubAccountPage(ids: ids, next: nil, total: ids.count)
    }
}

/// A clock that advances when a task sleeps, and when the test says so.
final class SteppingClock: TimeSource {
    private let elapsed = Mutex(Duration.zero)

    var now: Moment { Moment(sinceOrigin: elapsed.withLock { $0 }) }
    var timestamp: Timestamp { Timestamp(secondsSinceEpoch: millisecondsSinceEpoch / 1000) }
    var millisecondsSinceEpoch: Int64 { 1_769_860_800_000 + Int64(now.sinceOrigin / .milliseconds(1)) }

    func advance(by duration: Duration) { elapsed.withLock { $0 += duration } }

    func sleep(until moment: Moment) async throws(CancellationError) {
        guard !Task.isCancelled else { throw CancellationError() }
        guard moment - now <= .seconds(300) else {
            let (never, continuation) = AsyncStream<Never>.makeStream()
            for await _ in never {}
            _ = continuation
            throw CancellationError()
        }
        elapsed.withLock { $0 = max($0, moment.sinceOrigin) }
        await Task.yield()
    }
}

/// Encodes an answer as its account and its content, as text.
struct PlainCodec: AnswerCodec {
    final class Response: CachedResponse {
        let text: String
        let bytes = 100

        init(_ text: String) {
            self.text = text
        }
    }

    func encode(
        _ outcome: Result<SourceAnswer, BillingFailure>, to read: AccountRead, asOf: Timestamp
    ) -> EncodedAnswer {
        let key = Array(read.account.rawValue.utf8)
        var body: [UInt8] = []
        if case .success(.document(let document)) = outcome { body = document.text }
        // As with the codec of the service, all failures have the same tag.
        let tag = body.reduce(UInt64(0)) { ($0 &+ UInt64($1)) &* 31 }
        return EncodedAnswer(
            text: key + [32] + body, keyStart: 0, body: key.count + 1..<key.count + 1 + body.count, tag: tag)
    }

    func response(from answer: StoredAnswer, to read: AccountRead) -> any CachedResponse {
        Response(String(decoding: answer.body, as: UTF8.self))
    }

    func invoices(in answer: StoredAnswer) -> (list: InvoiceList, asOf: Timestamp)? { nil }
}
