import Adapters
import ArgumentParser
import Logging
import NIOCore
import NIOPosix

struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Check whether the service on this machine is ready.",
        discussion: """
            For health checks of containers. Requests /readyz (or /livez, with --live) from the operations listener, and \
            prints the response.

            Exit codes: 0 ready, 1 not ready or no response, 64 wrong usage, 78 wrong configuration.
            """)

    @OptionGroup var ops: SettingFlags<Settings.Ops>
    @OptionGroup var commonFlags: CommonFlags

    @Flag(help: "Check whether it is alive, which is also true during start-up and shutdown.")
    var live = false

    func run() async throws {
        // --config may name the service's own file, whose other settings are not checked here.
        var reader = try await SettingsReader(
            flags: givenSettings, environment: Invocation.environment, file: commonFlags.configuration.file,
            groups: Settings.ofService)
        let host = reader.value(Settings.ops.host)
        let port = reader.value(Settings.ops.port)
        if port == 0 { reader.report(Settings.ops.port, "0 names no port: give the port that the service printed") }
        try reader.finish()
        if commonFlags.printsConfiguration {
            try Output.write(reader.description)
            return
        }
        guard try await isHealthy(host: Self.reachable(host), port: port) else { throw ExitCode(1) }
    }

    /// The loopback address for a listener on all addresses; otherwise the host itself.
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
            // Health checks of containers have a timeout of a few seconds.
            response = try await client.exchange(request, bodyBytesMax: 65_536, timeout: .seconds(2))
        } catch {
            Output.writeError("billing-service: no response from \(origin.authority): \(error)\n")
            return false
        }
        await client.close()
        let text = String(buffer: response.body)
        if response.status == 200 { try Output.write(text) } else { Output.writeError(text) }
        return response.status == 200
    }
}
