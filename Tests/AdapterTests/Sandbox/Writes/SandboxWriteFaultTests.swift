import Adapters
import Domain
import DomainFakes
import NIOCore
import Testing

/// Whether a write takes effect under each fault, and what the client receives.
@Suite("Sandbox faults of writes", .timeLimit(.minutes(10)))
struct SandboxWriteFaultTests {
    /// What the client receives.
    enum Outcome: Equatable {
        case status(Int, bodyIsEmpty: Bool)
        case connectionLost
        /// The sandbox does not respond.
        case noResponse
    }

    private static let body = #"{"type":"webinar500_monthly","hosts":2}"#

    /// Subscribes an additional plan under a fault.
    private func outcome(
        of fault: SandboxFault, _ check: (SandboxCaller, String, Outcome) async throws -> Void
    ) async throws {
        var configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 200)
        configuration.faults = [fault]
        let hasNoResponse = fault.kind == .stall || fault.kind == .noAnswerAfterEffect
        // On this clock, a stalled response is a task that sleeps.
        let stopped = TestClock()
        let clock: any TimeSource = hasNoResponse ? stopped : AutoAdvancingClock()
        try await SandboxCaller.with(configuration, clock) { caller in
            let account = caller.account(45)
            var request = ClientRequest(
                method: "POST", scheme: "http", authority: "localhost", target: "/v2/accounts/\(account)/plans/addons",
                body: ByteBuffer(string: Self.body))
            request.fields.append(.authorization, try await caller.authorization())
            request.fields.append(.contentType, "application/json")
            request.fields.append(.requestID, "request-1")
            let sent = request
            async let answer = caller.http.exchange(sent, bodyBytesMax: 20_000_000, timeout: .minutes(5))
            guard !hasNoResponse else {
                try await stopped.sleepers(1)
                try await check(caller, account, .noResponse)
                return
            }
            let outcome: Outcome
            do {
                let response = try await answer
                outcome = .status(response.status, bodyIsEmpty: response.body.readableBytes == 0)
            } catch {
                outcome = .connectionLost
            }
            try await check(caller, account, outcome)
        }
    }

    private func isSubscribed(_ caller: SandboxCaller, _ account: String) async throws -> Bool {
        try await caller.plans(account)["plan_webinar"] != nil
    }

    @Test(
        "each fault applies or prevents a write as documented, and the journal has it once",
        arguments: SandboxFault.Kind.allCases)
    func effect(of kind: SandboxFault.Kind) async throws {
        var fault = SandboxFault(kind, operation: .subscribeAdditionalPlan)
        fault.delay = .milliseconds(1)
        fault.times = 1
        let (isApplied, expected): (Bool, Outcome) =
            switch kind {
            case .latency, .slowDrip, .badText: (true, .status(201, bodyIsEmpty: false))
            case .truncation: (true, .status(201, bodyIsEmpty: false))
            case .resetHalfway, .resetAfterEffect, .closeAfterEffect: (true, .connectionLost)
            case .noAnswerAfterEffect: (true, .noResponse)
            case .statusAfterEffect: (true, .status(500, bodyIsEmpty: false))
            case .success200: (true, .status(200, bodyIsEmpty: true))
            case .emptyCreated: (true, .status(201, bodyIsEmpty: true))
            case .tooManyASecond, .tooManyUntilSeconds, .tooManyUntilDate, .tooManyADay, .tooManyForUser:
                (false, .status(429, bodyIsEmpty: false))
            case .tooManyBare: (false, .status(429, bodyIsEmpty: true))
            case .status: (false, .status(500, bodyIsEmpty: false))
            case .html: (false, .status(502, bodyIsEmpty: false))
            case .empty: (false, .status(200, bodyIsEmpty: true))
            case .wrongTypes, .huge: (false, .status(200, bodyIsEmpty: false))
            case .tokenRevoked: (false, .status(401, bodyIsEmpty: false))
            case .unavailableSeconds, .unavailableDate: (false, .status(503, bodyIsEmpty: false))
            case .redirect: (false, .status(302, bodyIsEmpty: true))
            case .refusedLate: (false, .status(400, bodyIsEmpty: false))
            case .reset, .goAway, .close: (false, .connectionLost)
            case .stall: (false, .noResponse)
            }
        try await outcome(of: fault) { caller, account, outcome in
            #expect(outcome == expected)
            #expect(try await isSubscribed(caller, account) == isApplied)
            let writes = caller.sandbox.writes()
            let write = try #require(writes.first)
            #expect(writes.count == 1 && write.operation == .subscribeAdditionalPlan && write.fault == kind)
            #expect(write.body == Array(Self.body.utf8) && write.requestID == "request-1")
            switch expected {
            case .status(let status, _):
                #expect(write.status == status)
                #expect(write.effect == (isApplied ? .applied : status >= 400 ? .refused : .none))
            case .connectionLost, .noResponse:
                #expect(kind == .resetHalfway ? write.status == 201 : write.status == nil)
                #expect(write.effect == (isApplied ? .applied : .none))
            }
        }
    }

    @Test("a late refusal has the status, code and message of the fault")
    func refusedLate() async throws {
        var fault = SandboxFault(.refusedLate, operation: .updateBasePlan)
        fault.code = 2100
        fault.message = "Cannot process account."
        var configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 200)
        configuration.faults = [fault]
        let clock = TestClock()
        try await SandboxCaller.with(configuration, clock) { caller in
            async let answer = caller.write(
                "PUT", caller.account(45), "/plans/base", #"{"type":"business_monthly","hosts":20}"#)
            try await clock.sleepers(1)
            #expect(caller.sandbox.writes().map(\.effect) == [.refused])
            clock.advance(by: .seconds(1))
            let refused = try await answer
            #expect(refused.status == 400 && refused.json?["code"] == .number("2100"))
            #expect(refused.json?["message"] == .string("Cannot process account."))
        }
    }

    @Test("a delayed write takes effect before the client has its response")
    func latency() async throws {
        var configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 200)
        configuration.faults = [SandboxFault(.latency, operation: .updateBillingInformation)]
        let clock = TestClock()
        try await SandboxCaller.with(configuration, clock) { caller in
            let account = caller.account(0)
            async let answer = caller.write("PATCH", account, "/billing", #"{"city":"Berkeley"}"#)
            try await clock.sleepers(1)
            #expect(try await caller.billing(account)["city"] == .string("Berkeley"))
            clock.advance(by: .seconds(1))
            #expect(try await answer.status == 204)
        }
    }

    @Test(
        "faults that change a success leave a refusal unchanged",
        arguments: [SandboxFault.Kind.success200, .emptyCreated, .truncation, .resetHalfway])
    func refusals(kind: SandboxFault.Kind) async throws {
        var configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 200)
        configuration.faults = [SandboxFault(kind, operation: .cancelBasePlan)]
        try await SandboxCaller.with(configuration) { caller in
            let free = try await caller.account(kind: "free-200")
            let answer = try? await caller.write("PATCH", free, "/plans/base/status", #"{"action":"cancel"}"#)
            switch kind {
            case .success200, .emptyCreated:
                #expect(answer?.status == 200 && answer?.json?["code"] == .number("200"))
            case _: #expect(answer?.json == nil)
            }
            #expect(caller.sandbox.writes().map(\.effect) == [.refused])
        }
    }

    @Test(
        "a response without a body is not cut",
        arguments: [SandboxFault.Kind.truncation, .resetHalfway, .slowDrip, .badText])
    func withoutBody(kind: SandboxFault.Kind) async throws {
        var configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 200)
        configuration.faults = [SandboxFault(kind, operation: .updateBillingInformation)]
        try await SandboxCaller.with(configuration) { caller in
            let answer = try await caller.write("PATCH", caller.account(0), "/billing", #"{"city":"Berkeley"}"#)
            #expect(answer.status == 204 && answer.body.readableBytes == 0)
        }
    }

    private func headers(_ caller: SandboxCaller, _ account: String) async throws -> FramePeer.Frame {
        let authorization = try await caller.authorization()
        return .headers(
            1,
            FramePeer.request(
                "PATCH", "/v2/accounts/\(account)/billing", ("authorization", authorization),
                ("content-type", "application/json")), endsStream: false)
    }

    @Test("a write whose body is incomplete takes no effect")
    func incomplete() async throws {
        try await SandboxCaller.with { caller in
            let account = caller.account(0)
            let headers = try await headers(caller, account)
            try await FramePeer.connected(to: caller.server.port) { peer in
                // The received part is a complete JSON object, but the stream does not end.
                try await peer.send(headers, .data(1, Array(#"{"city":"Ghent"}"#.utf8)), .reset(1, 8))
                _ = try await peer.settle()
                // The connection's work is in order, so the first write is over when the second has its response.
                var second = headers
                second.stream = 3
                try await peer.send(second, .data(3, Array(#"{"zip":"9000"}"#.utf8), endsStream: true))
                #expect(try await peer.next(.headers).stream == 3)
                let billing = try await caller.billing(account)
                #expect(billing["city"] != .string("Ghent") && billing["zip"] == .string("9000"))
                let applied = caller.sandbox.writes().filter { $0.effect == .applied }
                #expect(applied.map(\.body) == [Array(#"{"zip":"9000"}"#.utf8)])
            }
        }
    }

    @Test(
        "a stream of HTTP/2 is reset before or after the write took effect, as the fault says",
        arguments: [(SandboxFault.Kind.reset, SandboxWrite.Effect.none), (.resetAfterEffect, .applied)])
    func resetOverHTTP2(kind: SandboxFault.Kind, effect: SandboxWrite.Effect) async throws {
        var configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 200)
        configuration.faults = [SandboxFault(kind, operation: .updateBillingInformation)]
        try await SandboxCaller.with(configuration) { caller in
            let account = caller.account(0)
            let headers = try await headers(caller, account)
            try await FramePeer.connected(to: caller.server.port) { peer in
                try await peer.send(headers, .data(1, Array(#"{"city":"Ghent"}"#.utf8), endsStream: true))
                // INTERNAL_ERROR (RFC 9113, 7).
                #expect(try await peer.next(.reset).errorCode == 2)
                #expect(caller.sandbox.writes().map(\.effect) == [effect])
                let isApplied = try await caller.billing(account)["city"] == .string("Ghent")
                #expect(isApplied == (effect == .applied))
            }
        }
    }
}
