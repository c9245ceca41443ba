import Adapters
import ArgumentParser
import Domain
import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// The flags of all commands that look up billing.
struct LookupFlags: ArgumentsInParts {
    private struct AnswerFlags: ParsableArguments {
        @Flag(help: "Print the JSON of the answer unchanged, for programs.")
        var json = false

        @Flag(help: "Look at Zoom, not at the answers that the service has cached.")
        var noCache = false
    }

    static let parts: [ArgumentsPart<LookupFlags>] = [.init(\.answer), .init(\.timeout), .init(\.source)]

    private var answer = AnswerFlags()
    private var timeout = TimeoutFlag()
    private var source = SourceFlags()

    var json: Bool { answer.json }
    var noCache: Bool { answer.noCache }

    /// For the help of the commands.
    static let discussion = """
        \(SourceFlags.discussion) Put -- before an id that begins with a dash.

        \(ExitStatus.summary(of: ExitStatus.ofLookups))
        """

    /// Calls `body` with a client of the service that the flags select.
    func withClient(_ body: @escaping @Sendable (ServiceClient) async throws -> Void) async throws {
        guard let service = try await source.lookupService() else { return }
        try await service.call { [timeout = timeout.duration, logger = service.logger] endpoint in
            try await ServiceClient.with(endpoint, timeout: timeout, logger: logger, body)
        }
    }

    /// Prints the answer to one request.
    ///
    /// - Parameter text: Formats the answer for people. `columnsMax` is the width of the terminal; nil disables
    ///   truncation.
    func printAnswer(
        to request: ServiceRequest,
        as text: @escaping @Sendable (_ answer: JSONObject, _ columnsMax: Int?) -> String
    ) async throws {
        try await withClient { [json, noCache] client in
            let answer = try await client.object(noCache ? request.uncached : request)
            if json {
                try await Output.writeJSON(answer.response.body)
            } else {
                try await Output.writeResult(
                    text(answer.object, TerminalDisplay.columns(of: STDOUT_FILENO)))
            }
        }
    }
}

/// The flag for the time limit of an answer.
struct TimeoutFlag: ParsableArguments {
    @Option(
        name: .customLong("timeout"),
        help:
            "How long to wait for each answer (range: \(DurationText.text(Self.range.lowerBound)) to \(DurationText.text(Self.range.upperBound)))."
    )
    var text = "60s"

    private static let range: ClosedRange<Duration> = .seconds(1)...(.seconds(3600))

    /// Set by `validate`.
    var duration: Duration { DurationText.duration(text) ?? Self.range.lowerBound }

    func validate() throws {
        guard let duration = DurationText.duration(text), Self.range.contains(duration) else {
            throw ValidationError(
                "--timeout must be a duration such as 10s or 2m, from \(DurationText.text(Self.range.lowerBound)) to "
                    + "\(DurationText.text(Self.range.upperBound))")
        }
    }
}
