import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import Synchronization
import Testing

@Suite("Changes of accounts and SIGKILL", .timeLimit(.minutes(10)))
struct KilledServiceTests {
    private static let changesMax = 1000
    private static let killsMax = 200

    /// The failures of the connection to Zoom, and how often each occurs.
    private static var faults: [SandboxFault] {
        let kinds: [(SandboxFault.Kind, Double)] = [
            (.latency, 0.3), (.reset, 0.04), (.close, 0.04), (.resetAfterEffect, 0.04), (.closeAfterEffect, 0.04),
            (.noAnswerAfterEffect, 0.02), (.statusAfterEffect, 0.04), (.emptyCreated, 0.05), (.success200, 0.05),
        ]
        return RepeatedChange.operations.flatMap { operation in
            kinds.map { kind, probability in
                var fault = SandboxFault(kind, operation: operation)
                fault.probability = probability
                if kind == .latency { fault.delay = .milliseconds(15) }
                return fault
            }
        }
    }

    /// The answers so far, by number of the change.
    private final class Answers: Sendable {
        private let answers = Mutex<[Int: RepeatedChange.Answer]>([:])

        func set(_ answer: RepeatedChange.Answer, _ number: Int) { answers.withLock { $0[number] = answer } }
        subscript(_ number: Int) -> RepeatedChange.Answer? { answers.withLock { $0[number] } }
        func count(of answer: RepeatedChange.Answer) -> Int {
            answers.withLock { $0.values.count { $0 == answer } }
        }
    }

    @Test(
        "A thousand changes and 200 kills at random instants: Zoom receives each change once, and every answer is true",
        arguments: [1, 2])
    func kills(processes: Int) async throws {
        let zoom = SandboxZoom(
            configuration: SandboxConfiguration(apps: [FiledService.app()], accounts: 2 * Self.changesMax, seed: 7),
            time: SystemTime())
        for fault in Self.faults { zoom.add(fault) }
        try await withServer(zoom) { server in
            try await withTemporaryFolder { folder in
                let token = "token-of-the-test"
                try write(
                    String(decoding: CredentialsDocument(masters: [.init(.test())]).text, as: UTF8.self),
                    to: folder + "/credentials.json")
                try write(
                    #"{"callers":[{"name":"job","token_sha256":"\#(await tokenDigest(token))","scopes":["billing:read","billing:write","plans:read","plans:write"]}]}"#,
                    to: folder + "/callers.json")
                let services = KilledServices(
                    count: processes,
                    arguments: [
                        "serve", "--http-port", "0", "--ops-port", "0", "--shutdown-delay", "0s",
                        "--credentials-file", folder + "/credentials.json", "--callers-file",
                        folder + "/callers.json", "--state-file", folder + "/state.sqlite", "--zoom-plan", "business",
                        "--zoom-timeout", "1s", "--zoom-api-url", "http://127.0.0.1:\(server.port)/v2",
                        "--zoom-oauth-url", "http://127.0.0.1:\(server.port)/oauth/token",
                    ])
                // Some kinds of accounts have plans without a status, so that a read cannot prove a change.
                let regular = (0..<2 * Self.changesMax).filter { zoom.accounts.kind(of: $0) == nil }
                let changes = regular.prefix(Self.changesMax).enumerated().map { number, account in
                    RepeatedChange(number: number, account: zoom.accounts.id(of: account))
                }
                do {
                    try await Self.run(changes, token, services, zoom)
                } catch {
                    _ = await services.stop()
                    throw error
                }
                for outcome in await services.stop() { #expect(outcome.status == 0, "\(outcome.errors)") }
            }
        }
    }

    private static func run(
        _ changes: [RepeatedChange], _ token: String, _ services: KilledServices, _ zoom: SandboxZoom
    ) async throws {
        let answers = Answers()
        for place in 0..<services.count { try await services.start(place) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for kill in 0..<killsMax {
                // Some changes begin in the life of each process, and those before are repeated.
                for number in changes.indices where number * killsMax / changes.count == kill {
                    group.addTask { try await repeatUntilAnswered(number, changes[number], token, services, answers) }
                }
                // The instant of the kill is random.
                try await pause(.microseconds(Int.random(in: 0...120_000)))
                let place = Int.random(in: 0..<services.count)
                await services.kill(place)
                try await services.start(place)
            }
            try await group.waitForAll()
        }
        zoom.removeFaults()
        let unknownAtFirst = answers.count(of: .unknown)
        // Every request again, with its key.
        for (number, change) in changes.enumerated() {
            try await repeatUntilAnswered(number, change, token, services, answers)
        }
        var received: [String: [SandboxWrite]] = [:]
        for write in zoom.writes() { received[write.account, default: []].append(write) }
        for (number, change) in changes.enumerated() {
            let writes = received[change.account] ?? []
            let isApplied = writes.contains { $0.effect == .applied }
            let comment = Comment("\(number): \(String(describing: answers[number])), \(writes)")
            #expect(writes.count <= 1, comment)
            switch answers[number] {
            case .done: #expect(isApplied, comment)
            // A read would have proved the change.
            case .unknown, .refused: #expect(!isApplied, comment)
            case .later, nil: Issue.record(comment)
            }
        }
        let applied = zoom.writes().count { $0.effect == .applied }
        let (done, unknown) = (answers.count(of: .done), answers.count(of: .unknown))
        print(
            "SIGKILL: \(services.count) processes, \(killsMax) kills, \(changes.count) changes, \(applied) took effect")
        print("SIGKILL: \(unknownAtFirst) unknown at first; at the end \(done) done, \(unknown) unknown")
        #expect(done > changes.count / 2)
    }

    private static func pause(_ duration: Duration) async throws {
        let time = SystemTime()
        try await time.sleep(until: time.now + duration)
    }

    /// Repeats a request with its key until the service says what became of the change.
    private static func repeatUntilAnswered(
        _ number: Int, _ change: RepeatedChange, _ token: String, _ services: KilledServices, _ answers: Answers
    ) async throws {
        while true {
            try Task.checkCancellation()
            let client = try await services.client()
            let answer: RepeatedChange.Answer
            do throws(HTTPFailure) {
                answer = try await change.send(client, token: token)
            } catch {
                // The process was killed. Nothing is known, so the request is repeated.
                await Task.yield()
                continue
            }
            answers.set(answer, number)
            guard case .later = answer else { return }
            // The service says to repeat the request later.
            try await pause(.milliseconds(20))
        }
    }
}

extension RepeatedChange {
    static let operations: [SandboxOperation] = [.updateBillingInformation, .updateBasePlan, .subscribeAdditionalPlan]
}
