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
            ServeCommand.self, SandboxCommand.self, ExportCommand.self, CredentialsCommand.self, CallersCommand.self,
            HealthCommand.self, SettingsCommand.self,
        ])

    /// `EX_CONFIG` of sysexits.h.
    private static let wrongConfiguration: Int32 = 78

    /// `EX_TEMPFAIL` of sysexits.h.
    private static let temporaryFailure: Int32 = 75

    static func main() async {
        Output.prepare()
        do {
            var command = try parseAsRoot(Invocation.arguments)
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

    /// Reports the error that ended a command. Help and version are such errors too.
    ///
    /// - Returns: The exit code.
    private static func status(reporting error: any Error) -> Int32 {
        switch error {
        case let problem as ConfigurationProblem:
            for line in problem.lines { Output.writeError("billing-service: \(line)\n") }
            return wrongConfiguration
        case let conflict as ExportFile.InUse:
            Output.writeError("billing-service: \(conflict)\n")
            return temporaryFailure
        case let problem as OutputProblem where problem.isReaderGone:
            return OutputProblem.readerGoneStatus
        case is OutputProblem, is CommandFailure, is FileProblem, is IOError:
            Output.writeError("billing-service: \(error)\n")
            return 1
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
