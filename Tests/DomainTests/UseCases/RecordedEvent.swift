import Domain
import DomainFakes
import Synchronization
import Testing

/// An event in a form that can be compared.
enum RecordedEvent: Equatable, Sendable {
    case begin(accounts: Int?, after: AccountID?)
    case answer(ExportKind, AccountID)
    case failure(ExportKind, AccountID, BillingFailure)
    case gone(AccountID)
    case malformed(Int)
    case heartbeat(done: Int, accounts: Int?, waiting: ExportBilling.Wait)
    case end(ExportBilling.Summary)

    /// The event in this form: one for each answer.
    static func events(of event: ExportBilling.Event) -> [RecordedEvent] {
        switch event {
        case .begin(let accounts, let after, _, _): return [.begin(accounts: accounts, after: after)]
        case .answer(let kind, let account, let entry):
            // The answer is that of the account and the kind.
            #expect(entry.fake.contact == (kind == .contact ? .sample(account) : nil))
            return [.answer(kind, account)]
        case .run(let run):
            return (0..<run.count).map { index in
                let answer = run[index]
                #expect(answer.text.starts(with: Array("answer to \(answer.account) ".utf8)))
                return answer.failure.map { .failure(run.kind, answer.account, $0) }
                    ?? .answer(run.kind, answer.account)
            }
        case .failure(let kind, let account, let failure): return [.failure(kind, account, failure)]
        case .gone(let account, _): return [.gone(account)]
        case .malformed(let line, _): return [.malformed(line)]
        case .heartbeat(let done, let accounts, let waiting):
            return [.heartbeat(done: done, accounts: accounts, waiting: waiting)]
        case .end(var summary):
            // Most tests do not depend on the time.
            summary.asOf = nil
            return [.end(summary)]
        }
    }
}

extension RecordedEvent {
    static func contact(_ account: AccountID) -> RecordedEvent { .answer(.contact, account) }

    /// A failure of the lookup of a contact.
    static func failure(_ account: AccountID, _ failure: BillingFailure) -> RecordedEvent {
        .failure(.contact, account, failure)
    }
}

extension [RecordedEvent] {
    /// The account of each answer and failure, in order.
    var accounts: [AccountID] {
        compactMap { event in
            switch event {
            case .answer(_, let account), .failure(_, let account, _): account
            case .begin, .gone, .malformed, .heartbeat, .end: nil
            }
        }
    }
}

/// Collects the events. A test can block it at one event, and wait for events.
final class Collector: ExportBilling.Consumer {
    private let state = Mutex<[RecordedEvent]>([])
    private let watchers = Mutex<[(@Sendable ([RecordedEvent]) -> Bool, Signal)]>([])
    private let holdsAt: Int?
    private let isAnnounced: @Sendable (RecordedEvent) -> Bool
    private let holding = Signal()
    private let releasing = Signal()
    private let announcing = Signal()

    init(holdsAt: Int? = nil, announcing: @escaping @Sendable (RecordedEvent) -> Bool = { _ in false }) {
        self.holdsAt = holdsAt
        isAnnounced = announcing
    }

    var events: [RecordedEvent] { state.withLock { $0 } }

    func flush() async throws(BillingFailure) {}

    func take(_ event: ExportBilling.Event) async throws(BillingFailure) {
        for event in RecordedEvent.events(of: event) {
            let events = state.withLock { events in
                events.append(event)
                return events
            }
            for (condition, signal) in watchers.withLock({ $0 }) where condition(events) { signal.fire() }
            if isAnnounced(event) { announcing.fire() }
            if events.count == holdsAt {
                holding.fire()
                try await releasing.waitInSource()
            }
        }
    }

    func held() async throws { try await holding.wait() }
    func release() { releasing.fire() }
    func announced() async throws { try await announcing.wait() }

    /// Returns when the events so far meet the condition.
    func contains(_ condition: @escaping @Sendable ([RecordedEvent]) -> Bool) async throws {
        let signal = Signal()
        watchers.withLock { $0.append((condition, signal)) }
        if condition(events) { signal.fire() }
        try await signal.wait()
    }
}
