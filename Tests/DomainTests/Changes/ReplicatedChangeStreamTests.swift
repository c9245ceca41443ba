import Domain
import DomainFakes
import Synchronization
import Testing

/// Two replicas with one store of shared answers, and a reader that a load balancer sends to either.
@Suite("Streams of changes of several replicas", .timeLimit(.minutes(10)))
struct ReplicatedChangeStreamTests {
    private let clock = TestClock()
    private let store: FakeSharedStore
    private let account = AccountID(literal: "a")
    private var read: AccountRead { .billingInformation(of: account) }

    init() {
        store = FakeSharedStore(time: clock)
    }

    private struct Replica {
        let cache: BillingCache
        let exportBilling: ExportBilling

        func city(_ read: AccountRead, _ directives: CacheDirectives = .none) async throws -> String? {
            let entry = try await cache.entry(for: read, under: nil, for: .interactive, directives: directives)
            return (entry.response as? PlainCodec.Response)?.text
        }

        /// Reads a stream.
        ///
        /// - Returns: The cities in it, and the moment for the next one.
        func stream(since moment: Int64? = nil, maxAge: Duration? = nil) async throws -> (
            cities: [String], moment: Int64?
        ) {
            var options = ExportBilling.Options()
            options.changedSince = moment
            options.maxAge = maxAge
            var export = try exportBilling(options, for: .everything)
            if export.needsPreparation { try await export.prepare() }
            let lines = StreamedLines { ($0 as? PlainCodec.Response)?.text ?? "" }
            try await export.run(to: lines)
            return (lines.lines.map(\.text), lines.asOf)
        }
    }

    private func replica(_ source: FakeSource, number: Int?) -> Replica {
        let shared = store.replica()
        let cache = BillingCache(source: source, time: clock, rules: CacheRules(), codec: PlainCodec(), shared: shared)
        shared.listen { cache.received($0) }
        let moments = StreamMoments(isShared: true)
        moments.setNumber(number)
        return Replica(
            cache: cache,
            exportBilling: ExportBilling(
                lists: AccountListCache(directory: source, time: clock), cache: cache, source: source, time: clock,
                moments: moments))
    }

    /// Two replicas that have cached the old city and the list, more than a second ago.
    private func replicas(_ city: ChangingCity, numbers: (Int?, Int?) = (7, 998)) async throws -> (
        Replica, Replica, FakeSource
    ) {
        let source = FakeSource(listed: [account]) { _, _ async throws(BillingFailure) in
            .document(SourceDocument(text: Array(city.value.utf8)))
        }
        let (first, second) = (replica(source, number: numbers.0), replica(source, number: numbers.1))
        for replica in [first, second] { #expect(try await replica.stream().cities == ["old"]) }
        clock.advance(by: .seconds(2))
        return (first, second, source)
    }

    private var noCache: CacheDirectives {
        var directives = CacheDirectives.none
        directives.noCache = true
        return directives
    }

    @Test("A change that one replica has seen is not missed by a reader whose last stream came from another replica")
    func otherReplica() async throws {
        let city = ChangingCity("old")
        let (first, second, _) = try await replicas(city)
        city.value = "new"
        #expect(try await first.city(read, noCache) == "new")
        clock.advance(by: .seconds(2))
        // The second replica has not seen the change: its cached answer is fresh.
        let before = try await second.stream()
        #expect(before.cities == ["old"])
        clock.advance(by: .seconds(2))
        // The first replica saw the change before that moment. A stream without it would lose it.
        await #expect(throws: BillingFailure.changesUnknown(before: nil)) {
            _ = try await first.stream(since: before.moment)
        }
        #expect(try await first.stream().cities == ["new"])
    }

    @Test("A change that another replica saw before the moment of a stream is in the next stream of the same replica")
    func sameReplica() async throws {
        let city = ChangingCity("old")
        let (first, second, source) = try await replicas(city)
        city.value = "new"
        #expect(try await first.city(read, noCache) == "new")
        clock.advance(by: .seconds(2))
        let before = try await second.stream()
        #expect(before.cities == ["old"])
        // Takes the answer of the first replica, since its own is too old.
        clock.advance(by: .seconds(2))
        let after = try await second.stream(since: before.moment, maxAge: .seconds(5))
        #expect(after.cities == ["new"] && source.calls.count == 2)
        // A moment is up to a second early, so one stream repeats the change.
        clock.advance(by: .seconds(2))
        let later = try await second.stream(since: after.moment)
        #expect(try await second.stream(since: later.moment).cities.isEmpty)
    }

    @Test("The milliseconds of a moment are the number of the replica, and it is at most one second early")
    func numbers() async throws {
        let (first, second, _) = try await replicas(ChangingCity("old"))
        for step in [0, 6, 1, 900, 92, 1, 500] {
            clock.advance(by: .milliseconds(step))
            let now = clock.millisecondsSinceEpoch
            for (replica, number) in [(first, Int64(7)), (second, 998)] {
                let moment = try #require(try await replica.stream().moment)
                #expect(moment % 1000 == number && (now - 999...now).contains(moment))
                #expect(replica.exportBilling.replica == (number == 7 ? "007" : "998"))
            }
        }
    }

    @Test("A replica without a number refuses every moment, its own too")
    func unnumbered() async throws {
        let (first, second, _) = try await replicas(ChangingCity("old"), numbers: (nil, nil))
        for replica in [first, second] {
            let moment = try await first.stream().moment
            await #expect(throws: BillingFailure.changesUnknown(before: nil)) {
                _ = try await replica.stream(since: moment)
            }
        }
    }
}

/// The city of every contact, which changes.
private final class ChangingCity: Sendable {
    private let name: Mutex<String>

    init(_ name: String) { self.name = Mutex(name) }

    var value: String {
        get { name.withLock { $0 } }
        set { name.withLock { $0 = newValue } }
    }
}
