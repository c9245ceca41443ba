import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import NIOPosix
import Testing

/// What the sandbox does when it is told to fail, and what the Zoom client makes of it.
@Suite("A sandbox that fails", .timeLimit(.minutes(2)))
struct SandboxFaultTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let fault: SandboxFault.Kind
        /// What a lookup ends with that is not tried again.
        let outcome: BillingFailure?
        var testDescription: String { fault.rawValue }
    }

    static let cases: [Case] = SandboxFault.Kind.allCases.map { kind in
        let outcome: BillingFailure? =
            switch kind {
            case .latency, .slowDrip, .tokenRevoked, .badText: nil
            case .unavailableSeconds, .unavailableDate: .sourceUnavailable(retryAfter: .seconds(2))
            case .tooManyASecond, .tooManyBare: .rateLimited(retryAfter: .seconds(1))
            case .tooManyUntilSeconds, .tooManyUntilDate: .rateLimited(retryAfter: .seconds(2))
            case .tooManyADay: .dailyQuotaSpent(retryAfter: .seconds(2))
            case .tooManyForUser: .rateLimited(retryAfter: .seconds(43_200))
            case .wrongTypes, .redirect: .sourceRejected
            case .status, .html, .empty, .truncation, .huge, .reset, .resetHalfway, .goAway, .close:
                .sourceFailed
            case .stall: .timedOut
            }
        return Case(fault: kind, outcome: outcome)
    }

    /// A client that does not try again, but for a lost connection.
    private func with(
        _ fault: SandboxFault, _ test: (ZoomMasters, SandboxZoom, AccountID) async throws -> Void
    ) async throws {
        var configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 10)
        configuration.faults = [fault]
        let clock = HurriedClock()
        let sandbox = SandboxZoom(configuration: configuration, time: clock)
        try await withServer(sandbox) { server in
            try await TestZoom.with(
                server, [.test(server)], FakeCredentials([.test()]),
                timeout: fault.kind == .stall ? .milliseconds(200) : .seconds(30), time: clock
            ) { client in
                try await test(client, sandbox, AccountID(literal: sandbox.accounts.id(of: 0)))
            }
        }
    }

    @Test("is met by a lookup with a clear end, never a trap or half an answer", arguments: cases)
    func lookup(of testCase: Case) async throws {
        var fault = SandboxFault(testCase.fault, operation: .getBilling)
        fault.delay = .milliseconds(1)
        // One more than the connections that are made anew at once.
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

@Suite("The sandbox's faults")
struct SandboxTroubleTests {
    private func sandbox(_ faults: [SandboxFault], latency: Duration = .zero, seed: UInt64 = 1) -> SandboxZoom {
        var configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 10, seed: seed)
        configuration.faults = faults
        configuration.latency = latency
        return SandboxZoom(configuration: configuration, time: TestClock())
    }

    /// Which of a thousand requests are answered 500.
    private func spoiled(_ sandbox: SandboxZoom, _ target: String = "/v2/accounts/a/billing") async throws -> [Bool] {
        var spoiled: [Bool] = []
        try await withServer(sandbox) { server in
            let http = HTTPClient(origin: server.origin, group: .singleton, configuration: .patient, logger: .silent)
            for _ in 0..<1000 {
                let request = ClientRequest(method: "GET", scheme: "http", authority: "localhost", target: target)
                let response = try await http.exchange(request, bodyBytesMax: 1_000_000, timeout: .minutes(5))
                spoiled.append(response.status == 500)
            }
            await http.close()
        }
        return spoiled
    }

    @Test("are for as many requests as they say, after as many as they let pass")
    func counted() async throws {
        var fault = SandboxFault(.status, operation: .getBilling)
        fault.skip = 3
        fault.times = 5
        let found = try await spoiled(sandbox([fault]))
        #expect(
            found == Array(repeating: false, count: 3) + Array(repeating: true, count: 5)
                + Array(repeating: false, count: 992))
    }

    @Test("are for the operation and the account that they name alone")
    func named() async throws {
        var fault = SandboxFault(.status, operation: .getBilling)
        fault.account = "b"
        #expect(try await spoiled(sandbox([fault])).allSatisfy { !$0 })
        #expect(try await spoiled(sandbox([fault]), "/v2/accounts/b/billing").allSatisfy { $0 })
        #expect(try await spoiled(sandbox([fault]), "/v2/accounts/b").allSatisfy { !$0 })
    }

    @Test("by chance are the same ones for the same seed, and as many as they say")
    func chance() async throws {
        var fault = SandboxFault(.status)
        fault.probability = 0.2
        let found = try await spoiled(sandbox([fault]))
        #expect((150...250).contains(found.count { $0 }))
        #expect(try await spoiled(sandbox([fault])) == found)
        #expect(try await spoiled(sandbox([fault], seed: 2)) != found)
    }
}
