import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import NIOPosix
import Testing

/// The Zoom client with each fault of the sandbox.
@Suite("Sandbox faults and the Zoom client", .timeLimit(.minutes(10)))
struct SandboxFaultTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let fault: SandboxFault.Kind
        /// The failure of a lookup without retries; nil if the lookup succeeds.
        let outcome: BillingFailure?
        var testDescription: String { fault.rawValue }
    }

    static let cases: [Case] = SandboxFault.Kind.allCases.map { kind in
        let outcome: BillingFailure? =
            switch kind {
            case .latency, .slowDrip, .tokenRevoked, .badText, .emptyCreated: nil
            case .unavailableSeconds, .unavailableDate: .sourceUnavailable(retryAfter: .seconds(2))
            case .tooManyASecond, .tooManyBare: .rateLimited(retryAfter: .seconds(1))
            case .tooManyUntilSeconds, .tooManyUntilDate: .rateLimited(retryAfter: .seconds(2))
            case .tooManyADay: .dailyQuotaSpent(retryAfter: .seconds(2))
            case .tooManyForUser: .rateLimited(retryAfter: .seconds(43_200))
            case .wrongTypes, .redirect, .refusedLate: .sourceRejected
            case .huge: .answerTooLarge(limit: 262_144)
            case .status, .html, .empty, .truncation, .reset, .resetHalfway, .goAway, .close, .statusAfterEffect,
                .success200, .resetAfterEffect, .closeAfterEffect:
                .sourceFailed
            case .stall, .noAnswerAfterEffect: .timedOut
            }
        return Case(fault: kind, outcome: outcome)
    }

    /// Runs `test` with a client that retries only lost connections.
    private func with(
        _ fault: SandboxFault, _ test: (ZoomMasters, SandboxZoom, AccountID) async throws -> Void
    ) async throws {
        var configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 10)
        configuration.faults = [fault]
        let clock = AutoAdvancingClock()
        let sandbox = SandboxZoom(configuration: configuration, time: clock)
        try await withServer(sandbox) { server in
            try await TestZoom.with(
                server, [.test(server)], FakeCredentials([.test()]),
                timeout: fault.kind == .stall || fault.kind == .noAnswerAfterEffect ? .milliseconds(200) : .seconds(30),
                time: clock
            ) { client in
                try await test(client, sandbox, AccountID(literal: sandbox.accounts.id(of: 0)))
            }
        }
    }

    @Test("each fault gives a lookup its expected failure, or none if the client recovers", arguments: cases)
    func lookup(of testCase: Case) async throws {
        var fault = SandboxFault(testCase.fault, operation: .getBillingInformation)
        fault.delay = .milliseconds(1)
        // One more than the number of immediate reconnections.
        fault.times = testCase.outcome == nil ? 1 : 2
        let outcome = testCase.outcome
        try await with(fault) { client, sandbox, account in
            if let outcome {
                await #expect(throws: outcome) {
                    try await client.billing(of: account, under: nil, for: .interactive)
                }
            } else {
                _ = try await client.billing(of: account, under: nil, for: .interactive)
            }
        }
    }
}

@Suite("Sandbox fault selection")
struct SandboxFaultInjectorTests {
    private func sandbox(_ faults: [SandboxFault], latency: Duration = .zero, seed: UInt64 = 1) -> SandboxZoom {
        var configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 10, seed: seed)
        configuration.faults = faults
        configuration.latency = latency
        return SandboxZoom(configuration: configuration, time: TestClock())
    }

    /// For each of 1000 requests, whether it was answered 500.
    private func failures(_ sandbox: SandboxZoom, _ target: String = "/v2/accounts/a/billing") async throws -> [Bool] {
        var failures: [Bool] = []
        try await withServer(sandbox) { server in
            let http = HTTPClient(
                origin: server.origin, group: .singleton, configuration: .longTimeouts, logger: .silent)
            for _ in 0..<1000 {
                let request = ClientRequest(method: "GET", scheme: "http", authority: "localhost", target: target)
                let response = try await http.exchange(request, bodyBytesMax: 1_000_000, timeout: .minutes(5))
                failures.append(response.status == 500)
            }
            await http.close()
        }
        return failures
    }

    @Test("a fault skips its first requests and then applies the given number of times")
    func counted() async throws {
        var fault = SandboxFault(.status, operation: .getBillingInformation)
        fault.skip = 3
        fault.times = 5
        let found = try await failures(sandbox([fault]))
        #expect(
            found == Array(repeating: false, count: 3) + Array(repeating: true, count: 5)
                + Array(repeating: false, count: 992))
    }

    @Test("a fault applies only to its operation and account")
    func named() async throws {
        var fault = SandboxFault(.status, operation: .getBillingInformation)
        fault.account = "b"
        #expect(try await failures(sandbox([fault])).allSatisfy { !$0 })
        #expect(try await failures(sandbox([fault]), "/v2/accounts/b/billing").allSatisfy { $0 })
        #expect(try await failures(sandbox([fault]), "/v2/accounts/b").allSatisfy { !$0 })
    }

    @Test("a fault with a probability has that rate and repeats with the same seed")
    func chance() async throws {
        var fault = SandboxFault(.status)
        fault.probability = 0.2
        let found = try await failures(sandbox([fault]))
        #expect((150...250).contains(found.count { $0 }))
        #expect(try await failures(sandbox([fault])) == found)
        #expect(try await failures(sandbox([fault], seed: 2)) != found)
    }
}
