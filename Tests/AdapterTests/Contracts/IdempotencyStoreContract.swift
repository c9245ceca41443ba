import Adapters
import Domain
import DomainFakes
import Testing

/// The contract of `IdempotencyStore`, run on each implementation.
@Suite("Idempotency store contract", .timeLimit(.minutes(10)))
struct IdempotencyStoreContract {
    static let outcomes: [WriteOutcome] =
        [
            .done(nil), .done(SourceDocument(text: [])), .done(SourceDocument(text: Array("{\"a\":\"é\"}".utf8))),
            .done(SourceDocument(text: [UInt8](repeating: 0x20, count: 300_000))),
        ]
        + SourceRefusal.Kind.allCases.map {
            .refused(SourceRefusal(kind: $0, code: -2100, message: "It’s not \"possible\"."))
        }

    @Test(
        "a finished key answers with the outcome and the request that it was recorded with",
        arguments: StoreKind.allCases)
    func finished(kind: StoreKind) async throws {
        try await kind.with { store in
            for (index, outcome) in Self.outcomes.enumerated() {
                let key = try CallerKey("key-\(index)")
                #expect(try await store.record(of: key, at: .start) == nil)
                try await store.finished(key, with: outcome)
                let record = KeyRecord(request: .sample(), state: .finished(outcome), recordedAt: .start)
                #expect(try await store.record(of: key, at: .start) == record)
                #expect(try await store.claim(key, for: .sample(), at: .start) == .recorded(record))
            }
        }
    }

    @Test("every operation is recorded", arguments: StoreKind.allCases)
    func operations(kind: StoreKind) async throws {
        try await kind.with { store in
            for operation in Operation.allCases {
                let key = try CallerKey("\(operation)")
                _ = try await store.claimed(key, for: .sample("a", operation))
                #expect(try await store.record(of: key, at: .start)?.request.operation == operation)
            }
        }
    }

    @Test("a claimed or sending key is running, also for another request", arguments: StoreKind.allCases)
    func running(kind: StoreKind) async throws {
        try await kind.with { store in
            let key = try CallerKey("key")
            let claim = try await store.claimed(key)
            let running = KeyClaimResult.recorded(
                KeyRecord(request: .sample(), state: .running, recordedAt: .start))
            for now in [Timestamp.start, .start.after(StoreKind.window * 1000)] {
                #expect(try await store.claim(key, for: .sample("other"), at: now) == running)
            }
            try await store.willSend(claim)
            for now in [Timestamp.start, .start.after(StoreKind.window * 1000)] {
                #expect(try await store.claim(key, for: .sample(), at: now) == running)
                #expect(try await store.remove(key) == .running)
            }
        }
    }

    @Test("keys of other callers and master accounts are other keys", arguments: StoreKind.allCases)
    func separate(kind: StoreKind) async throws {
        try await kind.with { store in
            let keys = try [
                CallerKey("key"), CallerKey("KEY"), CallerKey("key", caller: "other"),
                CallerKey("key", master: "main"), CallerKey("key", caller: "other", master: "main"),
                CallerKey("key", master: "shop"), CallerKey("main", caller: "key", master: "shop"),
            ]
            for key in keys { try await store.finished(key) }
            for key in keys { #expect(try await store.remove(key) == .removed) }
        }
    }

    @Test("of 100 concurrent claims of a key, one succeeds", arguments: StoreKind.allCases)
    func concurrent(kind: StoreKind) async throws {
        try await kind.withTwo { first, second in
            for round in 0..<10 {
                let key = try CallerKey("\(round)")
                let claims = try await withThrowingTaskGroup(of: Bool.self) { tasks in
                    for index in 0..<100 {
                        let store = index.isMultiple(of: 2) ? first : second
                        tasks.addTask {
                            if case .claimed = try await store.claim(key, for: .sample(), at: .start) {
                                true
                            } else {
                                false
                            }
                        }
                    }
                    return try await tasks.reduce(0) { $1 ? $0 + 1 : $0 }
                }
                #expect(claims == 1)
            }
        }
    }

    @Test(
        "a released key is free, and its claim can change nothing any more", arguments: StoreKind.allCases,
        [false, true])
    func released(kind: StoreKind, isSending: Bool) async throws {
        try await kind.with { store in
            let key = try CallerKey("key")
            let old = try await store.claimed(key)
            if isSending { try await store.willSend(old) }
            await store.release(old)
            #expect(try await store.record(of: key, at: .start) == nil)
            let new = try await store.claimed(key, for: .sample("other"))
            #expect(new.fencingToken != old.fencingToken)
            await #expect(throws: BillingFailure.stateUnavailable) { try await store.willSend(old) }
            await #expect(throws: BillingFailure.stateUnavailable) {
                try await store.finish(old, with: .done(nil), at: .start)
            }
            await #expect(throws: BillingFailure.stateUnavailable) { try await store.leaveUnknown(old) }
            await store.release(old)
            #expect(try await store.state(of: key) == .running)
            try await store.willSend(new)
        }
    }

    @Test("a claim permits to send once", arguments: StoreKind.allCases)
    func once(kind: StoreKind) async throws {
        try await kind.with { store in
            let claim = try await store.claimed(CallerKey("key"))
            try await store.willSend(claim)
            await #expect(throws: BillingFailure.stateUnavailable) { try await store.willSend(claim) }
        }
    }

    @Test("a write that was not sent has no outcome", arguments: StoreKind.allCases)
    func unsent(kind: StoreKind) async throws {
        try await kind.with { store in
            let key = try CallerKey("key")
            let claim = try await store.claimed(key)
            await #expect(throws: BillingFailure.stateUnavailable) {
                try await store.finish(claim, with: .done(nil), at: .start)
            }
            await #expect(throws: BillingFailure.stateUnavailable) { try await store.leaveUnknown(claim) }
            #expect(try await store.state(of: key) == .running)
        }
    }

    @Test("an unknown key stays unknown until its answer arrives after all", arguments: StoreKind.allCases)
    func unknown(kind: StoreKind) async throws {
        try await kind.with { store in
            let key = try CallerKey("key")
            let claim = try await store.leftUnknown(key)
            try await store.leaveUnknown(claim)
            let late = Timestamp.start.after(StoreKind.window * 1000)
            #expect(try await store.state(of: key, at: late) == .unknown)
            guard case .recorded(let record) = try await store.claim(key, for: .sample(), at: late) else {
                Issue.record("the key was claimed")
                return
            }
            #expect(record.state == .unknown)
            await store.release(claim)
            #expect(try await store.state(of: key) == .unknown)
            try await store.finish(claim, with: .done(nil), at: .start)
            #expect(try await store.state(of: key) == .finished(.done(nil)))
        }
    }

    @Test("an unknown write is resolved by a read, if the request is the same", arguments: StoreKind.allCases)
    func resolved(kind: StoreKind) async throws {
        try await kind.with { store in
            let key = try CallerKey("key")
            let digest = KeyedRequest.sample().digest
            try await store.resolve(key, digest, with: .done(nil), at: .start)
            #expect(try await store.record(of: key, at: .start) == nil)
            let claim = try await store.claimed(key)
            try await store.willSend(claim)
            try await store.resolve(key, digest, with: .done(nil), at: .start)
            #expect(try await store.state(of: key) == .running)
            try await store.leaveUnknown(claim)
            try await store.resolve(key, KeyedRequest.sample("other").digest, with: .done(nil), at: .start)
            #expect(try await store.state(of: key) == .unknown)
            let document = WriteOutcome.done(SourceDocument(text: [1]))
            let resolved = Timestamp.start.after(.seconds(1000))
            try await store.resolve(key, digest, with: document, at: resolved)
            #expect(try await store.state(of: key) == .finished(document))
            // Neither another read nor the late answer changes the outcome.
            try await store.resolve(key, digest, with: .done(nil), at: .start)
            try await store.finish(claim, with: .done(nil), at: .start)
            try await store.leaveUnknown(claim)
            #expect(try await store.state(of: key) == .finished(document))
            #expect(try await store.state(of: key, at: resolved.after(StoreKind.window - .seconds(1))) != nil)
            #expect(try await store.state(of: key, at: resolved.after(StoreKind.window)) == nil)
        }
    }

    @Test("a finished or unknown key can be removed, and is free then", arguments: StoreKind.allCases)
    func removed(kind: StoreKind) async throws {
        try await kind.with { store in
            let key = try CallerKey("key")
            #expect(try await store.remove(key) == .absent)
            try await store.finished(key)
            #expect(try await store.remove(key) == .removed)
            #expect(try await store.remove(key) == .absent)
            let claim = try await store.leftUnknown(key)
            #expect(try await store.remove(key) == .removed)
            await #expect(throws: BillingFailure.stateUnavailable) {
                try await store.finish(claim, with: .done(nil), at: .start)
            }
            _ = try await store.claimed(key)
        }
    }

    @Test("a finished key lives for the window from its finish", arguments: StoreKind.allCases)
    func expired(kind: StoreKind) async throws {
        try await kind.with { store in
            let key = try CallerKey("key")
            let claim = try await store.claimed(key)
            try await store.willSend(claim)
            let end = Timestamp.start.after(.seconds(5000))
            try await store.finish(claim, with: .done(nil), at: end)
            let last = end.after(StoreKind.window - .seconds(1))
            #expect(try await store.state(of: key, at: last) == .finished(.done(nil)))
            let expired = end.after(StoreKind.window)
            #expect(try await store.state(of: key, at: expired) == nil)
            let new = try await store.claimed(key, for: .sample("other"), at: expired)
            #expect(new.fencingToken != claim.fencingToken)
        }
    }

    @Test(
        "a call of a cancelled task that has not begun changes nothing; outcomes are recorded",
        arguments: StoreKind.allCases)
    func cancelled(kind: StoreKind) async throws {
        try await kind.with { store in
            let (key, other) = try (CallerKey("key"), CallerKey("other"))
            let (claim, sending) = try await (store.claimed(key), store.claimed(other))
            try await store.willSend(sending)
            let go = Signal()
            let task = Task {
                // Ends with an error, since the task is cancelled.
                _ = try? await go.wait()
                await #expect(throws: BillingFailure.cancelled) { try await store.willSend(claim) }
                await #expect(throws: BillingFailure.cancelled) {
                    _ = try await store.claim(try CallerKey("new"), for: .sample(), at: .start)
                }
                await #expect(throws: BillingFailure.cancelled) { _ = try await store.remove(key) }
                await #expect(throws: BillingFailure.cancelled) { _ = try await store.record(of: key, at: .start) }
                await store.release(claim)
                try await store.finish(sending, with: .done(nil), at: .start)
            }
            task.cancel()
            try await task.value
            #expect(try await store.record(of: CallerKey("new"), at: .start) == nil)
            #expect(try await store.record(of: key, at: .start) == nil)
            #expect(try await store.state(of: other) == .finished(.done(nil)))
        }
    }
}
