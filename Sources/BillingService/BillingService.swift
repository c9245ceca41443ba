import Adapters
import ArgumentParser
import NIOCore

@main
struct BillingService: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "billing-service",
        abstract: "Serves the billing of Zoom sub accounts as JSON and NDJSON over HTTP/2 and HTTP/1.1.",
        version: BuildInfo.version,
        subcommands: [
            ServeCommand.self, SandboxCommand.self, ExportCommand.self, GetCommand.self, PlansCommand.self,
            UsageCommand.self, InvoicesCommand.self, AccountsCommand.self, UpdateCommand.self, SubscribeCommand.self,
            CancelCommand.self, KeysCommand.self, StateCommand.self, CredentialsCommand.self, CallersCommand.self,
            HealthCommand.self, TopCommand.self, SettingsCommand.self, ErrorsCommand.self,
        ])

    static func main() async {
        Output.prepare()
        do {
            let arguments = Invocation.arguments
            try checkDashes(in: arguments)
            var command = try parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            Output.log.flush()
        } catch {
            Output.exit(status(reporting: error))
        }
    }

    /// Refuses an id that begins with a dash unless it follows `--`: one that begins with `-h` would print the help.
    private static func checkDashes(in arguments: [String]) throws {
        let options = arguments.prefix { $0 != "--" }
        guard let id = options.first(where: { $0.hasPrefix("-") && !$0.hasPrefix("--") && $0.utf8.count > 2 }) else {
            return
        }
        throw ValidationError("\(TerminalText.escaped(id)) is no option. Put -- before an id that begins with a dash.")
    }

    /// Reports the error that ended a command. Help and version are such errors too.
    ///
    /// - Returns: The exit code.
    private static func status(reporting error: any Error) -> Int32 {
        switch error {
        case let problem as ConfigurationProblem:
            for line in problem.lines { Output.writeError("billing-service: \(line)\n") }
            return ExitStatus.wrongConfiguration.rawValue
        case let conflict as ExportFile.InUse:
            Output.writeError("billing-service: \(conflict)\n")
            return ExitStatus.tryAgainLater.rawValue
        case let conflict as StateFiles.InUse:
            Output.writeError("billing-service: \(conflict)\n")
            return ExitStatus.tryAgainLater.rawValue
        case let problem as ServiceProblem:
            Output.writeError("billing-service: \(problem)\n")
            return problem.status.rawValue
        case let problem as OutputProblem where problem.isReaderGone:
            return ExitStatus.readerGone.rawValue
        case let failure as CommandFailure:
            Output.writeError("billing-service: \(failure)\n")
            return failure.status.rawValue
        case is CancellationError:
            Output.writeError("billing-service: interrupted\n")
            return ExitStatus.failed.rawValue
        case is OutputProblem, is FileProblem, is IOError:
            Output.writeError("billing-service: \(error)\n")
            return ExitStatus.failed.rawValue
        case _: return status(reportingToUser: error)
        }
    }

    /// Like `exit(withError:)` of the argument parser, but detects that standard output cannot be written.
    private static func status(reportingToUser error: any Error) -> Int32 {
        let code = exitCode(for: error)
        let text = fullMessage(for: error)
        guard !text.isEmpty else { return code.rawValue }
        guard code.isSuccess else {
            // The text may quote an argument, which may be a URL with a password.
            Output.writeError(URLText.maskingURLs(in: text) + "\n")
            return code.rawValue
        }
        do throws(OutputProblem) {
            try Output.write(text + "\n")
            return code.rawValue
        } catch {
            return status(reporting: error)
        }
    }
}
