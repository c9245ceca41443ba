import Domain
import DomainFakes
import Synchronization
import Testing

@Suite("Changes of an account", .timeLimit(.minutes(10)))
struct WriteAccountTests {
    private let account = AccountID(literal: "a")
    private let key = IdempotencyKey("key-1")
    private let clock = TestClock()

    /// The use case with its fakes.
    private struct Service {
        let write: WriteAccount
        let writer: FakeWriter
        let keys: FakeIdempotencyStore
        let source: FakeSource
        let cache: BillingCache
        let completions: Completions
    }

    /// The completions that were reported.
    private final class Completions: Sendable {
        private let all = Mutex<[WriteAccount.Completion]>([])

        func append(_ completion: WriteAccount.Completion) { all.withLock { $0.append(completion) } }
        var list: [WriteAccount.Completion] { all.withLock { $0 } }
    }

    /// A text that changes while the service runs.
    private final class Changing: Sendable {
        private let text: Mutex<String>

        init(_ text: String) { self.text = Mutex(text) }

        var value: String {
            get { text.withLock { $0 } }
            set { text.withLock { $0 = newValue } }
        }
    }

    private func service(
        writer: FakeWriter = FakeWriter(), source: FakeSource = FakeSource(),
        _ change: (inout WriteAccount.Rules) -> Void = { _ in }
    ) -> Service {
        var rules = WriteAccount.Rules()
        change(&rules)
        let keys = FakeIdempotencyStore()
        let cache = BillingCache(source: source, time: clock, rules: CacheRules(), codec: FakeCodec())
        let write = WriteAccount(
            writer: writer, source: source, cache: cache, keys: keys, rules: rules, time: clock
        ) { bytes in
            // Not a digest, but equal for equal requests only, as far as these tests go.
            bytes.reduce(into: [UInt8](repeating: 0, count: 32)) { digest, byte in
                digest.append(digest.removeFirst() &* 31 &+ byte)
                digest[0] = digest[0] &+ byte
            }
        }
        return Service(
            write: write, writer: writer, keys: keys, source: source, cache: cache, completions: Completions())
    }

    /// A writer whose first change waits until it may be answered.
    private static func waitingWriter(_ arrived: Signal, _ mayAnswer: Signal) -> FakeWriter {
        FakeWriter.answering { _, attempt in
            if attempt == 0 {
                arrived.fire()
                try? await mayAnswer.wait()
            }
            return WriteReport(.answered(.done(nil)))
        }
    }

    private func contactChange(city: String = "Oakland") throws -> AccountWrite {
        try AccountWrite.make(
            .updateBillingInformation, of: account,
            from: .object([.init(name: "city", value: .text(city))]), rules: WriteRules())
    }

    @discardableResult
    private func send(
        _ service: Service, _ write: AccountWrite, key: IdempotencyKey?, caller: Caller = .everything,
        precondition: WriteAccount.Request.Precondition? = nil, queueTimeout: Duration? = nil
    ) async -> Result<WriteAccount.Answer, BillingFailure> {
        await service.write(
            WriteAccount.Request(write, key: key, precondition: precondition, queueTimeout: queueTimeout), for: caller
        ) { service.completions.append($0) }.result
    }

    @Test("A change is recorded before it is sent, and its outcome before the caller has the answer")
    func order() async throws {
        let service = service()
        let answer = await send(service, try contactChange(), key: key)
        #expect(try answer.get() == WriteAccount.Answer(document: nil, isReplayed: false))
        #expect(service.keys.calls == [.claim, .willSend, .finish])
        #expect(service.writer.sent == [try contactChange()])
        #expect(service.writer.purposes.map(\.priority) == [.write])
        #expect(service.completions.list.map(\.trackingID) == ["trace-1"])
    }

    @Test("The same key and request again get the first answer, and nothing is sent")
    func replay() async throws {
        let document = SourceDocument(text: Array("{}".utf8))
        let service = service(writer: FakeWriter.answering { _, _ in WriteReport(.answered(.done(document))) })
        await send(service, try contactChange(), key: key)
        let second = try await send(service, try contactChange(), key: key).get()
        #expect(second == WriteAccount.Answer(document: document, isReplayed: true))
        #expect(service.writer.sent.count == 1)
        #expect(service.completions.list.map(\.isReplayed) == [false, true])
    }

    @Test("A refusal of the source is the answer of its key as well")
    func replayedRefusal() async throws {
        let refusal = SourceRefusal(kind: .refused, code: 2100, message: "Invalid plan type.")
        let service = service(writer: FakeWriter.answering { _, _ in WriteReport(.answered(.refused(refusal))) })
        for _ in 0..<2 {
            #expect(await send(service, try contactChange(), key: key) == .failure(.write(.refused(refusal))))
        }
        #expect(service.writer.sent.count == 1)
    }

    @Test("The same key with another request is refused")
    func reusedKey() async throws {
        let service = service()
        await send(service, try contactChange(), key: key)
        #expect(await send(service, try contactChange(city: "Ghent"), key: key) == .failure(.write(.keyReused)))
        #expect(service.writer.sent.count == 1)
    }

    @Test("A key belongs to its caller: another caller sends with the same key")
    func otherCaller() async throws {
        let service = service()
        await send(service, try contactChange(), key: key)
        let other = Caller(name: Name(literal: "other"), scopes: [.billingWrite])
        #expect(try await send(service, try contactChange(), key: key, caller: other).get().isReplayed == false)
        #expect(service.writer.sent.count == 2)
    }

    @Test("While a change runs, a request with its key is refused, and another change of the account waits")
    func running() async throws {
        let (arrived, mayAnswer) = (Signal(), Signal())
        let service = service(writer: Self.waitingWriter(arrived, mayAnswer))
        let write = try contactChange()
        async let first = send(service, write, key: key)
        try await arrived.wait()
        #expect(await send(service, write, key: key) == .failure(.write(.keyInUse)))
        async let second = send(service, write, key: IdempotencyKey("key-2"))
        try await clock.sleepers(1)
        #expect(service.writer.sent.count == 1)
        mayAnswer.fire()
        #expect(try await first.get().isReplayed == false)
        #expect(try await second.get().isReplayed == false)
        #expect(service.writer.sent.count == 2)
    }

    @Test("A change whose lease has ended before its second attempt is not sent again, and its key is free again")
    func leaseEnded() async throws {
        let service = service(writer: FakeWriter(attempts: 2))
        service.keys.endLeases(afterAttempts: 1)
        #expect(await send(service, try contactChange(), key: key) == .failure(.stateUnavailable))
        #expect(service.writer.sent.isEmpty)
        #expect(service.keys.calls == [.claim, .willSend, .release])
    }

    @Test("A change that waits too long for another change of the account is not sent, and its key is free again")
    func accountBusy() async throws {
        let (arrived, mayAnswer) = (Signal(), Signal())
        let service = service(writer: Self.waitingWriter(arrived, mayAnswer))
        let write = try contactChange()
        async let first = send(service, write, key: key)
        try await arrived.wait()
        let second = IdempotencyKey("key-2")
        async let waiting = send(service, write, key: second)
        try await clock.sleepers(1)
        clock.advance(by: .seconds(3))
        #expect(await waiting == .failure(.write(.accountBusy)))
        mayAnswer.fire()
        _ = await first
        #expect(try await send(service, write, key: second).get().isReplayed == false)
    }

    @Test("A change that may not wait for another change of the account is refused, however early its deadline is")
    func noWait() async throws {
        let (arrived, mayAnswer) = (Signal(), Signal())
        let service = service(writer: Self.waitingWriter(arrived, mayAnswer))
        let write = try contactChange()
        async let first = send(service, write, key: key)
        try await arrived.wait()
        for number in 0..<500 {
            let other = IdempotencyKey("other-\(number)")
            #expect(await send(service, write, key: other, queueTimeout: .zero) == .failure(.write(.accountBusy)))
        }
        mayAnswer.fire()
        _ = await first
        #expect(service.writer.sent.count == 1)
    }

    @Test("An unknown outcome stays unknown for its key until a read shows the change")
    func unknown() async throws {
        let city = Changing("Ghent")
        let source = FakeSource { _, _ async throws(BillingFailure) in
            let current = city.value
            return .contact(BillingContact(reading: { $0 == .city ? current : "x" }))
        }
        let service = service(writer: FakeWriter.answering { _, _ in WriteReport(.unknown) }, source: source)
        let unknown = BillingFailure.write(.outcomeUnknown(.updateBillingInformation, account))
        #expect(await send(service, try contactChange(), key: key) == .failure(unknown))
        #expect(await send(service, try contactChange(), key: key) == .failure(unknown))
        city.value = "Oakland"
        #expect(try await send(service, try contactChange(), key: key).get().isReplayed)
        // Known from now on, without another read.
        let reads = source.reads.count
        #expect(try await send(service, try contactChange(), key: key).get().isReplayed)
        #expect(source.reads.count == reads && service.writer.sent.count == 1)
    }

    @Test("The caller's decision ends an unknown outcome: the removed key sends again")
    func removal() async throws {
        let service = service(
            writer: FakeWriter.answering { _, attempt in
                attempt == 0 ? WriteReport(.unknown) : WriteReport(.answered(.done(nil)))
            })
        let key = try #require(key)
        await send(service, try contactChange(), key: key)
        #expect(try await service.write.record(of: key, for: .everything).state == .unknown)
        try await service.write.remove(key, for: .everything)
        await #expect(throws: BillingFailure.write(.keyNotFound)) {
            try await service.write.record(of: key, for: .everything)
        }
        #expect(try await send(service, try contactChange(), key: key).get().isReplayed == false)
    }

    @Test(
        "A change that was not sent frees its key",
        arguments: [BillingFailure.timedOut, .rateLimited(retryAfter: .zero)])
    func notSent(failure: BillingFailure) async throws {
        let service = service(
            writer: FakeWriter.answering { _, attempt in
                attempt == 0 ? WriteReport(.notSent(failure)) : WriteReport(.answered(.done(nil)))
            })
        #expect(await send(service, try contactChange(), key: key) == .failure(failure))
        #expect(try await send(service, try contactChange(), key: key).get().isReplayed == false)
    }

    @Test("A change that is sent again, since its first attempt was not processed, is recorded as sending once")
    func secondAttempt() async throws {
        let service = service(writer: FakeWriter(attempts: 2))
        #expect(try await send(service, try contactChange(), key: key).get().isReplayed == false)
        #expect(service.keys.calls == [.claim, .willSend, .finish])
    }

    @Test("A store that cannot record the sending keeps the change from being sent")
    func unrecorded() async throws {
        let service = service()
        service.keys.fail([.willSend])
        #expect(await send(service, try contactChange(), key: key) == .failure(.stateUnavailable))
        #expect(service.writer.sent.isEmpty)
    }

    @Test("A store that cannot record the outcome does not change the answer")
    func unrecordedOutcome() async throws {
        let service = service()
        service.keys.fail([.finish])
        #expect(try await send(service, try contactChange(), key: key).get().isReplayed == false)
        #expect(service.completions.list.map(\.isRecorded) == [false])
    }

    @Test("A caller that leaves before the change is sent: nothing is sent")
    func leftBefore() async throws {
        let (reading, mayRead) = (Signal(), Signal())
        let source = FakeSource { account, _ async throws(BillingFailure) in
            reading.fire()
            try await mayRead.waitInSource()
            return .contact(.sample(account))
        }
        let service = service(source: source)
        let write = try contactChange()
        let task = Task { await send(service, write, key: key, precondition: { _ in true }) }
        try await reading.wait()
        task.cancel()
        mayRead.fire()
        #expect(await task.value == .failure(.cancelled))
        #expect(service.writer.sent.isEmpty && service.completions.list.count == 1)
        #expect(try await send(service, write, key: key).get().isReplayed == false)
    }

    @Test("A caller that leaves after the change was sent: the change continues, and its outcome is recorded")
    func leftAfter() async throws {
        let (arrived, mayAnswer) = (Signal(), Signal())
        let service = service(
            writer: FakeWriter.answering { _, _ in
                arrived.fire()
                // Fails if the change is cancelled with its caller.
                guard (try? await mayAnswer.wait()) != nil else { return WriteReport(.unknown) }
                return WriteReport(.answered(.done(nil)))
            })
        let write = try contactChange()
        let task = Task { await send(service, write, key: key) }
        try await arrived.wait()
        task.cancel()
        #expect(service.write.runningCount == 1)
        mayAnswer.fire()
        #expect(try await task.value.get().isReplayed == false)
        #expect(try await send(service, write, key: key).get().isReplayed)
    }

    @Test("A shutdown waits for the running changes, and refuses new ones")
    func close() async throws {
        let (arrived, mayAnswer) = (Signal(), Signal())
        let service = service(
            writer: FakeWriter.answering { _, _ in
                arrived.fire()
                try? await mayAnswer.wait()
                return WriteReport(.answered(.done(nil)))
            })
        let write = try contactChange()
        async let first = send(service, write, key: key)
        try await arrived.wait()
        async let closed: Void = service.write.close()
        while await send(service, write, key: nil) != .failure(.cancelled) { try Task.checkCancellation() }
        mayAnswer.fire()
        await closed
        #expect(try await first.get().isReplayed == false)
        #expect(service.write.runningCount == 0)
    }

    @Test("A precondition is checked with a new answer of the source, and a changed account is not changed again")
    func precondition() async throws {
        let city = Changing("Ghent")
        let source = FakeSource { _, _ async throws(BillingFailure) in
            let current = city.value
            return .contact(BillingContact(reading: { $0 == .city ? current : "x" }))
        }
        let service = service(source: source)
        let read = AccountRead.billingInformation(of: account)
        _ = try await service.cache.entry(for: read, under: nil, for: .interactive(for: nil), directives: .none)
        city.value = "Lille"
        let isUnchanged: WriteAccount.Request.Precondition = { $0.fake.contact?[.city] == "Ghent" }
        #expect(
            await send(service, try contactChange(), key: key, precondition: isUnchanged)
                == .failure(.write(.preconditionFailed)))
        #expect(service.writer.sent.isEmpty)
        #expect(
            try await send(service, try contactChange(), key: key, precondition: { $0.fake.contact?[.city] == "Lille" })
                .get().isReplayed == false)
    }

    @Test("With a required durable store, a change is refused while the store does not promise that keys survive")
    func durable() async throws {
        let service = service { $0.requiresDurableStore = true }
        _ = try await send(service, try contactChange(), key: key).get()
        service.keys.becomeVolatile()
        let other = try #require(IdempotencyKey("other"))
        #expect(await send(service, try contactChange(), key: other) == .failure(.write(.storeNotDurable)))
        #expect(service.writer.sent.count == 1 && service.keys.calls.count { $0 == .claim } == 1)
    }

    @Test("Required keys, required preconditions, scopes and allow-lists are checked before a key is claimed")
    func checks() async throws {
        let service = service { $0.requiresPrecondition = true }
        let write = try contactChange()
        let always: WriteAccount.Request.Precondition = { _ in true }
        #expect(await send(service, write, key: nil, precondition: always) == .failure(.write(.keyMissing)))
        #expect(await send(service, write, key: key) == .failure(.write(.preconditionMissing)))
        let reader = Caller(name: Name(literal: "reader"), scopes: [.billingRead, .plansWrite])
        #expect(await send(service, write, key: key, caller: reader) == .failure(.scopeMissing(.billingWrite)))
        let stranger = Caller(name: Name(literal: "s"), scopes: [.billingWrite], accounts: [AccountID(literal: "b")])
        #expect(await send(service, write, key: key, caller: stranger) == .failure(.accountNotFound(account)))
        #expect(service.keys.calls.isEmpty && service.writer.sent.isEmpty)
    }

    @Test("A change removes the cached answers it touches before its caller has the answer")
    func invalidation() async throws {
        let service = service()
        let read = AccountRead.billingInformation(of: account)
        let purpose = Purpose.interactive(for: nil)
        _ = try await service.cache.entry(for: read, under: nil, for: purpose, directives: .none)
        _ = try await service.cache.entry(for: read, under: Name(literal: "main"), for: purpose, directives: .none)
        await send(service, try contactChange(), key: key)
        for master in [nil, Name(literal: "main")] {
            #expect(service.cache.cached(read, under: master, directives: .none, at: clock.now) == nil)
        }
    }

    @Test("A change that could not be sent in time is not sent")
    func tooLate() async throws {
        let source = FakeSource { [clock] account, _ async throws(BillingFailure) in
            clock.advance(by: .seconds(30))
            return .contact(.sample(account))
        }
        let service = service(source: source) { $0.sendTimeMax = .seconds(20) }
        #expect(await send(service, try contactChange(), key: key, precondition: { _ in true }) == .failure(.timedOut))
        #expect(service.writer.sent.isEmpty)
    }

    @Test("A dry run checks the account, the scopes and the limits, and sends nothing")
    func dryRun() async throws {
        let service = service()
        let request = WriteAccount.Request(try contactChange())
        let dryRun = try await service.write.dryRun(request, for: .everything)
        #expect(dryRun.write == request.write)
        #expect(service.writer.sent.isEmpty && service.writer.checkCount == 1 && service.keys.calls.isEmpty)
        let refusing = self.service(writer: FakeWriter(check: .failure(.permissionMissing(anyOf: ["a"]))))
        await #expect(throws: BillingFailure.permissionMissing(anyOf: ["a"])) {
            try await refusing.write.dryRun(request, for: .everything)
        }
    }

    @Test("A caller that is limited to dry runs of plans cannot change plans")
    func dryRunScope() async throws {
        let caller = Caller(name: Name(literal: "planner"), scopes: [.plansDryRun])
        #expect(throws: Never.self) { try caller.requireDryRun(of: .cancelBasePlan) }
        #expect(throws: BillingFailure.scopeMissing(.billingWrite)) {
            try caller.requireDryRun(of: .updateBillingInformation)
        }
        #expect(throws: BillingFailure.scopeMissing(.plansWrite)) { try caller.require(.plansWrite) }
    }
}
