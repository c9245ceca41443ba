import Adapters
import Domain
import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// Makes one change: checks it, shows it, asks, and sends it once.
struct ChangeRun: Sendable {
    /// The state of the account in which the change may be made.
    enum Precondition: Sendable {
        /// Any state.
        case none
        /// The state with this ETag.
        case given(String)
        /// The state that the command reads before the dry run.
        case readFirst
    }

    struct Options: Sendable {
        let isDryRun: Bool

        /// Whether the question is omitted.
        let isConfirmed: Bool

        /// nil for a new key.
        let key: IdempotencyKey?
        let precondition: Precondition
        let printsJSON: Bool
        let color: ColorChoice

        /// The arguments that select the service, for the commands in messages.
        let serviceArguments: [String]
    }

    private let change: AccountChange
    private let options: Options
    private let connector: CalledServiceFlags.Connector

    init(_ change: AccountChange, _ options: Options, _ connector: CalledServiceFlags.Connector) {
        self.change = change
        self.options = options
        self.connector = connector
    }

    func run() async throws {
        let request = try await connector.withClient { client in try await prepared(client) }
        guard let request else { return }
        let key = try newKey()
        guard options.isConfirmed ? true : await Question.ask("Send this change?") else {
            throw CommandFailure("Nothing was sent.", status: .declined)
        }
        // A killed command can be repeated only with its key.
        guard Output.writeError("Idempotency-Key: \(key.rawValue)\n") else {
            throw CommandFailure("Nothing was sent: the idempotency key could not be written to standard error.")
        }
        // A new connection: the service could close one that was idle during the question at the same moment.
        let outcome = try await connector.withClient { client in
            await send(request.with(.idempotencyKey, key.rawValue), client)
        }
        try report(outcome, key)
    }

    private func newKey() throws -> IdempotencyKey {
        if let key = options.key { return key }
        // The prefix keeps the key from beginning with a dash.
        guard let key = IdempotencyKey(RandomToken.make(prefix: "cli-")) else {
            preconditionFailure("base64url is visible ASCII")
        }
        return key
    }

    // MARK: Before the question

    /// Checks the change, and shows it.
    ///
    /// - Returns: The request to send; nil if only a dry run was requested.
    private func prepared(_ client: ServiceClient) async throws -> ServiceRequest? {
        var request = ServiceRequest.change(change)
        if let etag = try await etag(client) { request = request.with(.ifMatch, etag) }
        if let key = options.key, try await showRecord(of: key, client) { return request }
        let answer = try await client.object(request.dryRun, listsViolations: true)
        // Anything else is the answer of a service that does not know dry runs.
        guard answer.object["dry_run"] == .bool(true) else { throw client.unusable(answer.response) }
        if options.isDryRun, options.printsJSON {
            try await Output.writeJSON(answer.response.body)
            return nil
        }
        let summary = ChangeSummary(answer.object, of: change, given: await plans(client))
        if options.isDryRun {
            try await Output.writeResult(text(of: summary, on: STDOUT_FILENO))
            return nil
        }
        Output.writeError(text(of: summary, on: STDERR_FILENO))
        return request
    }

    /// The plans of the account, of which the dry run of a cancellation names only the members.
    ///
    /// - Returns: nil for other changes, and if the caller cannot look up plans.
    private func plans(_ client: ServiceClient) async -> JSONObject? {
        guard change.kind.isCancellation else { return nil }
        return try? await client.object(.plans(of: change.account)).object
    }

    /// - Returns: The ETag for `If-Match`; nil for none.
    private func etag(_ client: ServiceClient) async throws -> String? {
        switch options.precondition {
        case .none: return nil
        case .given(let etag): return etag
        case .readFirst:
            let answer = try await client.object(ServiceRequest.billing(of: change.account).uncached)
            guard let etag = answer.response.fields.string(.etag) else { throw client.unusable(answer.response) }
            return etag
        }
    }

    private func text(of summary: ChangeSummary, on descriptor: CInt) -> String {
        let display = TerminalDisplay(of: descriptor, options.color)
        return summary.text(columnsMax: display.size?.columns, hasColors: display.hasColors)
    }

    /// Shows what the service recorded about a key, if it did. The change is not checked again then: it may have taken
    /// effect, so that a dry run would be refused.
    ///
    /// - Returns: Whether there is a record.
    private func showRecord(of key: IdempotencyKey, _ client: ServiceClient) async throws -> Bool {
        let record: JSONObject
        do throws(ServiceProblem) {
            record = try await client.object(.key(key)).object
        } catch {
            guard error.isKeyNotFound else { throw error }
            return false
        }
        Output.writeError(
            "The service has a record of this key. It does not send the change again while it has it.\n\n"
                + ObjectTable(record.members).text(columnsMax: TerminalDisplay.columns(of: STDERR_FILENO)) + "\n")
        return true
    }

    // MARK: After the question

    private func send(_ request: ServiceRequest, _ client: ServiceClient) async -> ChangeOutcome {
        let mark = SendMark()
        do throws(HTTPFailure) {
            return ChangeOutcome(try await client.exchange(request, mark: mark), to: change.kind)
        } catch {
            return ChangeOutcome(error, mark, client.problem(error))
        }
    }

    private func report(_ outcome: ChangeOutcome, _ key: IdempotencyKey) throws {
        switch outcome {
        case .made(let response, let isReplayed): try reportSuccess(response, isReplayed: isReplayed)
        case .notMade(let problem, let note):
            throw CommandFailure(
                ([problem.description] + [note].compactMap(\.self)).joined(separator: "\n"), status: problem.status)
        case .unknown(let reason):
            throw CommandFailure(
                UnknownOutcome(change, key, serviceArguments: options.serviceArguments).text(reason: reason),
                status: .outcomeUnknown)
        }
    }

    /// - Throws: `CommandFailure`, which also reports the change: it is not undone if its report fails.
    private func reportSuccess(_ response: ClientResponse, isReplayed: Bool) throws(CommandFailure) {
        let done = "Done." + (isReplayed ? " An earlier request with this key made the change." : "")
        let plans = response.object.flatMap { $0.members.isEmpty ? nil : $0 }
        do throws(OutputProblem) {
            if options.printsJSON {
                Output.writeError(done + "\n")
                guard response.body.readableBytes > 0 else { return }
                var line = response.body
                line.writeStaticString("\n")
                try Output.write(line)
            } else {
                let table = plans.map {
                    PlanTable(plans: $0).text(columnsMax: TerminalDisplay.columns(of: STDOUT_FILENO))
                }
                try Output.write(done + "\n" + (table ?? ""))
            }
        } catch {
            throw CommandFailure("the change was made, but \(error)")
        }
    }
}
