import Adapters
import ArgumentParser
import FoundationEssentials
import Logging
import NIOCore
import NIOPosix

struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Ask a running service on this machine whether it is ready.",
        discussion: """
            For health checks of containers: asks /readyz of the listener for probes (or /livez, with --live), prints \
            what it says, and is silent about nothing that is wrong.

            Exit codes: 0 ready, 1 not ready or nobody there, 64 wrong usage, 78 wrong configuration.
            """)

    @OptionGroup var opsFlags: OpsFlags
    @OptionGroup var commonFlags: CommonFlags

    @Flag(help: "Ask whether it is alive, which it is while it is starting or shutting down, too.")
    var live = false

    func run() async throws {
        let groups: [any SettingFlags] = [opsFlags, commonFlags]
        // The service's own file may be named: it is to be believed about settings that are not looked at here.
        var reader = try await SettingsReader(
            flags: groups.values, environment: Invocation.environment,
            file: commonFlags.configuration.file, known: ServeSettings.all)
        let host = reader.text(.opsHost) ?? ""
        let port = reader.integer(.opsPort, in: 1...65_535)
        try reader.finish()
        if commonFlags.printsConfiguration {
            try Output.write(reader.description)
            return
        }
        guard try await isHealthy(host: Self.reachable(host), port: port) else { throw ExitCode(1) }
    }

    /// Where a listener on all addresses is found from the same machine.
    private static func reachable(_ host: String) -> String {
        switch AddressLookup.literal(host, port: 0)?.ipAddress {
        case "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        case .some, nil: host
        }
    }

    private func isHealthy(host: String, port: Int) async throws(OutputProblem) -> Bool {
        let origin = Origin(scheme: .http, host: host, port: port)
        var configuration = HTTPClient.Configuration()
        configuration.lookup = .unrestricted
        let client = HTTPClient(
            origin: origin, group: .singleton, configuration: configuration, logger: Output.logger(.error))
        let request = ClientRequest(
            method: "GET", scheme: "http", authority: origin.authority, target: live ? "/livez" : "/readyz?verbose")
        let response: ClientResponse
        do throws(HTTPFailure) {
            // Below the few seconds that health checks of containers may take.
            response = try await client.exchange(request, bodyBytesMax: 65_536, timeout: .seconds(2))
        } catch {
            Output.writeError("billing-service: no answer from \(origin.authority): \(error)\n")
            return false
        }
        await client.close()
        let text = String(buffer: response.body)
        if response.status == 200 { try Output.write(text) } else { Output.writeError(text) }
        return response.status == 200
    }
}
