import Adapters
import ArgumentParser
import NIOCore

@main
struct BillingService: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "billing-service",
        abstract: "A billing front for Zoom master accounts: plain JSON over HTTP/2, and NDJSON for all sub accounts.",
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
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            Output.log.flush()
        } catch let problem as ConfigurationProblem {
            for line in problem.lines { Output.writeError("billing-service: \(line)\n") }
            Output.exit(wrongConfiguration)
        } catch let conflict as ExportFile.InUse {
            Output.writeError("billing-service: \(conflict)\n")
            Output.exit(temporaryFailure)
        } catch let failure as CommandFailure {
            Output.writeError("billing-service: \(failure)\n")
            Output.exit(1)
        } catch let problem as FileProblem {
            Output.writeError("billing-service: \(problem)\n")
            Output.exit(1)
        } catch let error as IOError {
            Output.writeError("billing-service: \(error)\n")
            Output.exit(1)
        } catch {
            Output.log.flush()
            exit(withError: error)
        }
    }
}
