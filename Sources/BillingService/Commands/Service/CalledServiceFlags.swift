import ArgumentParser
import Domain
import Logging

/// The flags of commands that call a running service, and no other source.
///
/// The records of idempotency keys belong to that service. A service in the process of the command would lose them at its
/// end.
struct CalledServiceFlags: ArgumentsInParts {
    static let parts: [ArgumentsPart<CalledServiceFlags>] = [
        .init(\.service), .init(\.zoom), .init(\.sharedFiles), .init(\.commonFlags),
    ]

    private(set) var service = ServiceFlags()

    // For the connection to the service: CA certificates, and files of other users. Few users need them.
    private var zoom = SettingFlags<Settings.Zoom>(areHidden: true)
    private var sharedFiles = SettingFlags<Settings.SharedFiles>(areHidden: true)
    private var commonFlags = CommonFlags()

    var color: ColorChoice { commonFlags.color }

    /// The flags as arguments of another command that calls the same service.
    var arguments: [String] {
        let settings = Settings.Zoom.definitions + Settings.SharedFiles.definitions
        let file = commonFlags.configuration.file.map { ["--config", $0] } ?? []
        return service.arguments + file
            + settings.flatMap { setting -> [String] in
                guard let value = given[setting.key] else { return [] }
                return ["--" + setting.flagName] + (setting.format.json == .boolean ? [] : [value])
            }
    }

    func validateParts() throws {
        if service.url == nil { throw ValidationError("--url is required: the URL of a running service") }
    }

    /// Opens connections to the service.
    struct Connector: Sendable {
        let endpoint: ServiceEndpoint
        let timeout: Duration
        let logger: Logger

        /// Calls `body` with a client that has no connection yet.
        func withClient<Result>(_ body: (ServiceClient) async throws -> Result) async throws -> Result {
            try await ServiceClient.with(endpoint, timeout: timeout, logger: logger, body)
        }
    }

    /// Calls `body` for the service, unless the settings are printed.
    func call(
        _ timeout: TimeoutFlag, cancellingAtSignals: Bool = false,
        _ body: @escaping @Sendable (Connector) async throws -> Void
    ) async throws {
        // The command reports every failure itself.
        guard let called = try await service.service(given: given, commonFlags, logLevel: .error) else { return }
        try await called.call(cancellingAtSignals: cancellingAtSignals) {
            [timeout = timeout.duration, logger = called.logger] endpoint in
            try await body(Connector(endpoint: endpoint, timeout: timeout, logger: logger))
        }
    }
}
