import DomainFakes
import Testing

@Suite("Cached billing in concurrent use", .timeLimit(.minutes(10)))
struct ConcurrentCacheTests {
    @Test(
        "Cached billing: no lookup or stream sees an account as it was before a change that had ended",
        arguments: [1, 2] as [UInt64])
    func versions(seed: UInt64) async throws {
        let summary = try await ConcurrentCacheModel().run(tasks: 6, operations: 2500, seed: seed)
        #expect(
            summary.hits > 500 && summary.lines > 500 && summary.changes > 500 && summary.evicted > 100, "\(summary)")
    }
}
