import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// Processes of the service that share one state file, and are killed and started again.
final class KilledServices: Sendable {
    /// One place for a process, which is empty between a kill and the next start.
    private struct Place {
        var process: TestProcess?
        var client: HTTPClient?

        /// The address of the operations listener.
        var operations: String?
    }

    private struct State {
        var places: [Place]
        var waits: [PendingWait<Void>] = []
    }

    private let state: Mutex<State>
    private let arguments: [String]

    /// - Parameter count: The number of processes.
    init(count: Int, arguments: [String]) {
        state = Mutex(State(places: Array(repeating: Place(), count: count)))
        self.arguments = arguments
    }

    var count: Int { state.withLock { $0.places.count } }

    /// The metrics of the process of a place, one a line.
    func metrics(of place: Int) async throws -> [String] {
        let address = try #require(state.withLock { $0.places[place].operations })
        return await TestProcess.run("curl", ["--silent", address + "/metrics"]).lines
    }

    /// Starts the process of a place. Returns when it listens.
    func start(_ place: Int) async throws {
        let process = TestProcess(TestProcess.billingService, arguments)
        state.withLock { $0.places[place].process = process }
        let output = try await process.output(containing: "Operations on ")
        let port = try #require(output.firstMatch(of: /Listening on http:\/\/[0-9.]+:([0-9]+)/)).output.1
        let operations = try #require(output.firstMatch(of: /Operations on (http:\S+)/)).output.1
        let client = HTTPClient(
            origin: Origin(scheme: .http, host: "127.0.0.1", port: try #require(Int(port))), group: .singleton,
            configuration: .longTimeouts, logger: .silent)
        let waits = state.withLock { state in
            state.places[place].client = client
            state.places[place].operations = String(operations)
            defer { state.waits = [] }
            return state.waits
        }
        for wait in waits { wait.resume(returning: ()) }
    }

    /// Kills the process of a place with SIGKILL. Returns when it is gone.
    func kill(_ place: Int) async {
        let (process, client) = state.withLock { state in
            defer { state.places[place] = Place() }
            return (state.places[place].process, state.places[place].client)
        }
        process?.signal(SIGKILL)
        _ = await process?.outcome()
        await client?.close()
    }

    /// Ends all processes in order.
    ///
    /// - Returns: What they have written to standard error.
    func stop() async -> [TestProcess.Outcome] {
        let places = state.withLock { state in
            defer { state.places = state.places.map { _ in Place() } }
            return state.places
        }
        var outcomes: [TestProcess.Outcome] = []
        for place in places {
            await place.client?.close()
            place.process?.signal(SIGTERM)
            if let outcome = await place.process?.outcome() { outcomes.append(outcome) }
        }
        return outcomes
    }

    /// The client of a random process, as soon as one listens.
    func client() async throws -> HTTPClient {
        while true {
            let client = state.withLock { $0.places.compactMap(\.client).randomElement() }
            if let client { return client }
            try await wait(for: "a process that listens") { (pending: PendingWait<Void>) in
                let isThere = state.withLock { state in
                    if state.places.contains(where: { $0.client != nil }) { return true }
                    state.waits.append(pending)
                    return false
                }
                if isThere { pending.resume(returning: ()) }
            }
        }
    }
}

/// A change that is repeated with its key until it has an answer.
struct RepeatedChange: Sendable {
    let account: String
    let operation: SandboxOperation
    let method: String
    let path: String
    let body: String
    let key: String

    /// Different operations take turns.
    init(number: Int, account: String) {
        self.account = account
        key = "change-\(number)"
        switch number % 4 {
        case 1:
            (operation, method, path) = (.updateBasePlan, "PUT", "plans/base")
            // No account of the sandbox has this plan at first, or a read could prove a change that was never made.
            body = #"{"type":"plan_business_two_years","hosts":\#(11 + number % 30)}"#
        case 3:
            (operation, method, path) = (.subscribeAdditionalPlan, "POST", "plans/addons")
            body = #"{"type":"zsched_yearly","hosts":\#(1 + number % 9)}"#
        default:
            (operation, method, path) = (.updateBillingInformation, "PATCH", "billing")
            body = #"{"phone_number":"+1 555 \#(1_000_000 + number)"}"#
        }
    }

    /// How the service answered.
    enum Answer: Sendable, Equatable {
        case done
        case refused(Int)
        case unknown
        /// Nothing was sent, or the change is running: the request may be repeated.
        case later(Int)
    }

    func send(_ client: HTTPClient, token: String) async throws(HTTPFailure) -> Answer {
        var request = ClientRequest(
            method: method, scheme: "http", authority: client.origin.authority,
            target: "/v2/accounts/\(account)/\(path)", body: ByteBuffer(string: body))
        request.fields.append(.contentLength, body.utf8.count)
        request.fields.append(.contentType, "application/json")
        request.fields.append(.authorization, "Bearer " + token)
        request.fields.append(FieldName("idempotency-key"), "\"\(key)\"")
        let response = try await client.exchange(request, bodyBytesMax: 1_000_000, timeout: .minutes(1))
        let text = String(buffer: response.body)
        return switch response.status {
        case 200..<300: .done
        case 504 where text.contains("outcome-unknown"): .unknown
        case 409, 429, 502, 503, 504: .later(response.status)
        default: .refused(response.status)
        }
    }
}
