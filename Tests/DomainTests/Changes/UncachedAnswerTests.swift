import Domain
import DomainFakes
import Testing

@Suite("Streams of changes with answers that are not cached", .timeLimit(.minutes(10)))
struct UncachedAnswerTests {
    private static let accounts = ["a", "b"].map { AccountID(literal: $0) }

    @Test(
        "A content that comes back is in the next stream, if a stream before has sent another one that was not cached",
        arguments: [false, true])
    func contentComesBack(isResumed: Bool) async throws {
        let source = PermitSource(Self.accounts)
        let service = StreamedService(source)
        for account in Self.accounts { service.store(account) }
        service.clock.advance(by: .seconds(60))
        let since = try #require(try await service.export().value.end?.asOf)
        service.clock.advance(by: .milliseconds(10))
        var options = ExportBilling.Options(after: isResumed ? Self.accounts[0] : nil)
        options.changedSince = since
        // The moment of the first part, after whose interruption the stream continues.
        var moment = service.clock.millisecondsSinceEpoch
        service.clock.advance(by: .milliseconds(10))

        service.cache.changeBegan(Self.accounts[1], invalidating: [.getBillingInformation])
        let recorder = StreamRecorder()
        let stream = Task { [options] in try await service.export(options, to: recorder) }
        try await source.waits(1, of: .bulk)
        source.grant()
        _ = try await stream.joined
        #expect(recorder.value.lines == [.init(account: Self.accounts[1], text: "new")])
        // Without `end`, the moment of `begin` counts.
        if let begin = recorder.value.begin { moment = begin }
        #expect((recorder.value.begin == nil) == isResumed)
        service.clock.advance(by: .milliseconds(10))
        service.cache.changeEnded(Self.accounts[1], invalidating: [.getBillingInformation])
        service.store(Self.accounts[1], "old", age: .zero)
        service.clock.advance(by: .milliseconds(10))

        options.after = nil
        options.changedSince = moment
        let next = try await service.export(options)
        #expect(next.value.lines == [.init(account: Self.accounts[1], text: "old")])
        await service.close()
    }
}
