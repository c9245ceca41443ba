import Domain
import DomainFakes
import Synchronization
import Testing

@Suite("Streams of changes when the system's clock is set", .timeLimit(.minutes(10)))
struct ClockSetBackTests {
    private static let accounts = ["a", "b", "c", "d"].map { AccountID(literal: $0) }

    /// The moments of a stream, and what was in it.
    private struct Streamed {
        let begin: Int64
        let end: Int64
        let events: [String]
    }

    private func stream(_ service: StreamedService, since: Int64?) async throws -> Streamed {
        var options = ExportBilling.Options()
        options.changedSince = since
        let recorder = try await service.export(options)
        return Streamed(
            begin: try #require(recorder.value.begin), end: try #require(recorder.value.end?.asOf),
            events: recorder.events)
    }

    @Test(
        "After the clock was set back, streams of changes leave nothing out, and their moments do not go back",
        arguments: [Duration.milliseconds(1), .seconds(1), .seconds(3600), .seconds(86_400 * 400)])
    func setBack(by difference: Duration) async throws {
        let directory = FakeDirectory(Self.accounts)
        let service = StreamedService(FakeSource(), directory: directory)
        for account in Self.accounts { service.store(account) }
        service.clock.advance(by: .seconds(60))
        let first = try await stream(service, since: nil)
        #expect(first.events == ["run a-d"])
        service.clock.advance(by: .milliseconds(2))
        let second = try await stream(service, since: first.end)
        #expect(second.events.isEmpty && second.begin >= first.end)

        service.clock.setCivilTime(back: difference)
        service.clock.advance(by: .milliseconds(2))
        service.store(Self.accounts[1], "changed", age: .zero)
        directory.change { $0.removeAll { $0 == Self.accounts[2] } }
        _ = try await service.lists.snapshot(of: nil, .all, maxAge: .zero)
        service.clock.advance(by: .milliseconds(2))
        let third = try await stream(service, since: second.end)
        #expect(third.events == ["run b", "gone c"])
        #expect(second.end <= third.begin && third.begin <= third.end)

        service.clock.setCivilTime(back: difference)
        service.clock.advance(by: .milliseconds(2))
        let fourth = try await stream(service, since: third.end)
        #expect(fourth.events.isEmpty && fourth.begin >= third.end)
        service.clock.setCivilTime(back: .zero - difference * 2)
        service.clock.advance(by: .milliseconds(2))
        service.store(Self.accounts[3], "changed", age: .zero)
        let fifth = try await stream(service, since: fourth.end)
        #expect(fifth.events == ["run d"] && fifth.begin >= fourth.end)
        await service.close()
    }

    @Test("A stored page keeps the ages of its answers when the clock was set back before it was stored")
    func storedAges() throws {
        let service = StreamedService(FakeSource(), directory: FakeDirectory([]))
        let before = service.clock.millisecondsSinceEpoch
        service.store(Self.accounts[0], age: .zero)
        service.clock.advance(by: .seconds(100))
        service.clock.setCivilTime(back: .seconds(3600))
        let page = try #require(service.pages.takeChanges(limit: 10, CivilClock(service.clock)).changed.first)
        #expect(page.received == before...before)
    }

    @Test("A moment that has not come yet is refused, since no stream can have stated it")
    func future() async throws {
        let service = StreamedService(FakeSource(), directory: FakeDirectory(Self.accounts))
        _ = try await service.lists.snapshot(of: nil, .all, maxAge: nil)
        service.clock.advance(by: .seconds(1))
        var options = ExportBilling.Options()
        let now = service.clock.millisecondsSinceEpoch
        options.changedSince = now + 1
        var export = try service.exportBilling(options, for: .everything)
        await #expect(throws: BillingFailure.changesUnknown(before: now)) { try await export.prepare() }
        service.clock.advance(by: .milliseconds(1))
        try await export.prepare()
        await service.close()
    }
}
