import Adapters
import Domain
import DomainFakes
import Synchronization
import Testing

@Suite("Prefer: wait", .timeLimit(.minutes(10)))
struct PreferTests {
    /// Records the purposes of its lookups.
    private final class Source: BillingSource, SubAccountDirectory {
        let purposes = Mutex<[Purpose]>([])

        func answer(
            to read: AccountRead, under master: Name?, for purpose: Purpose
        ) async throws(BillingFailure) -> SourceAnswer {
            purposes.withLock { $0.append(purpose) }
            return .contact(.sample(read.account))
        }

        func hasQueuedRequests(for operation: Operation, under master: Name?) -> Bool { false }

        func page(
            of master: Name?, _ request: SubAccountPageRequest, for purpose: Purpose
        ) async throws(BillingFailure) -> SubAccountPage {
            SubAccountPage(ids: [AccountID(literal: "a")], next: nil, total: nil)
        }
    }

    @Test(
        "the wait preference and the caller's name reach the contact source as queue timeout and purpose",
        arguments: [
            ("wait=5", 5), ("WAIT = 7", 7), ("respond-async, wait=10", 10), ("wait=3;foo=bar, x", 3), ("wait=0", 0),
            ("wait=301", 300), ("wait=99999999999999999999", 300), ("wait=1, wait=2", 1),
            ("", nil), ("wait", nil), ("wait=", nil), ("wait=-1", nil), ("wait=1.5", nil), ("wait=\"5\"", nil),
            ("await=5", nil), ("return=minimal", nil),
        ] as [(String, Int?)])
    func wait(field: String, seconds: Int?) async throws {
        let source = Source()
        try await TestService.with(source: source) { service in
            let response = try await service.send(
                "/v2/accounts/a/billing", token: TestService.readerToken, [(.prefer, field)])
            #expect(response.status == 200)
        }
        let purpose = Purpose.interactive(
            for: Name(literal: "reader"), queueTimeout: seconds.map { .seconds($0) })
        #expect(source.purposes.withLock { $0 } == [purpose])
    }

    @Test("a stream ignores the wait preference and uses bulk priority")
    func stream() async throws {
        let source = Source()
        try await TestService.with(source: source) { service in
            _ = try await service.send("/v2/billing/stream", [(.prefer, "wait=5")])
        }
        #expect(source.purposes.withLock { $0 } == [.bulk])
    }
}
