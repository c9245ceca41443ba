import Adapters
import ArgumentParser
import Domain

extension IdempotencyKey: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
}

/// The flags of all commands that change an account.
struct ChangeFlags: ArgumentsInParts {
    private struct SendingFlags: ParsableArguments {
        @Flag(help: "Show what would be sent, and stop. Nothing is sent to Zoom.")
        var dryRun = false

        @Flag(help: "Send the change without a question. Required without a terminal.")
        var yes = false

        @Option(
            help: ArgumentHelp(
                "Repeat a command with the key that it printed. The service sends a change with the same key only once.",
                valueName: "key"))
        var idempotencyKey: IdempotencyKey?

        @Option(
            help: ArgumentHelp(
                "Send the change only if the account still has this ETag, which a lookup over HTTP answers with.",
                valueName: "etag"),
            transform: EntityTagArgument.parse)
        var ifMatch: String?

        @Flag(help: "Print the JSON of the answer unchanged, for programs.")
        var json = false

        func validate() throws {
            if dryRun, yes { throw ValidationError("--dry-run and --yes exclude each other") }
            if dryRun, idempotencyKey != nil { throw ValidationError("--dry-run sends nothing, so it has no key") }
        }
    }

    static let parts: [ArgumentsPart<ChangeFlags>] = [.init(\.sending), .init(\.timeout), .init(\.service)]

    private var sending = SendingFlags()
    private var timeout = TimeoutFlag()
    private var service = CalledServiceFlags()

    var ifMatch: String? { sending.ifMatch }

    /// For the help of the commands.
    static let discussion = """
        First the service checks the change without sending it (a dry run), and the command shows what would change. Then \
        it asks. Before it sends the change, it prints an idempotency key on standard error. If no answer arrives, repeat \
        the command with this key: the service sends a change with the same key only once.

        \(ServiceFlags.discussion) Put -- before an id that begins with a dash.

        \(ExitStatus.summary(of: ExitStatus.ofChanges))
        """

    /// Checks that the user can confirm the change, before anything is sent.
    ///
    /// - Parameter readsStandardInput: Whether the command reads other data from standard input.
    func checkQuestion(readsStandardInput: Bool = false) throws {
        let readsToken = service.service.readsStandardInput
        if readsStandardInput, readsToken {
            throw CommandFailure(
                "the token and the change cannot both come from standard input", status: .wrongUsage)
        }
        guard !sending.dryRun, !sending.yes else { return }
        guard Question.canBeAsked, !readsStandardInput, !readsToken else {
            throw CommandFailure(
                "the change must be confirmed, and there is no terminal on standard input and standard error: pass --yes",
                status: .wrongUsage)
        }
    }

    /// Makes the change.
    ///
    /// - Parameter readsPrecondition: Whether to read the account, and to send the change only if it does not change until
    ///   then.
    func run(_ change: AccountChange, readsPrecondition: Bool = false) async throws {
        let precondition: ChangeRun.Precondition =
            ifMatch.map { .given($0) } ?? (readsPrecondition ? .readFirst : .none)
        let options = ChangeRun.Options(
            isDryRun: sending.dryRun, isConfirmed: sending.yes, key: sending.idempotencyKey, precondition: precondition,
            printsJSON: sending.json, color: service.color, serviceArguments: service.arguments)
        try await service.call(timeout, cancellingAtSignals: true) { connector in
            try await ChangeRun(change, options, connector).run()
        }
    }
}

/// The argument for an entity tag (RFC 9110, 8.8.3).
enum EntityTagArgument {
    /// Adds the quotes that a shell removes.
    static func parse(_ text: String) throws -> String {
        let tag = text == "*" || text.hasPrefix("\"") || text.hasPrefix("W/") ? text : "\"\(text)\""
        guard !text.isEmpty, tag.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw ValidationError("It must be an ETag of visible ASCII characters.")
        }
        return tag
    }
}
