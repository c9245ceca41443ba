import Adapters
import Domain
import Logging
import NIOCore

/// The service that a command calls.
struct CalledService: Sendable {
    enum Place: Sendable {
        case running(ServiceEndpoint)

        /// In this process, on a free port, while the command runs. It calls Zoom or a sandbox. The command is its only
        /// caller.
        case embedded(ServeSettings, Caller)
    }

    let place: Place

    /// Whether files that belong to other users may be used.
    let sharesOwners: Bool
    let logger: Logger

    /// Calls `body` with the endpoint, while the service runs.
    ///
    /// - Parameter cancellingAtSignals: Whether a signal cancels `body`, so that it can clean up, instead of ending the
    ///   program. A service in this process always does that.
    /// - Throws: The error of `body`; `ConfigurationProblem` if the service in this process cannot start; `CommandFailure` if
    ///   a signal ended it and `body` returned nothing.
    func call<Result: Sendable>(
        cancellingAtSignals: Bool = false, _ body: @escaping @Sendable (ServiceEndpoint) async throws -> Result
    ) async throws -> Result {
        switch place {
        case .running(let endpoint):
            if cancellingAtSignals {
                try await ShutdownSignals().cancelling(logger) { try await body(endpoint) }
            } else {
                try await body(endpoint)
            }
        case .embedded(let settings, let caller): try await serve(settings, caller, while: body)
        }
    }

    private func serve<Result: Sendable>(
        _ settings: ServeSettings, _ caller: Caller,
        while body: @escaping @Sendable (ServiceEndpoint) async throws -> Result
    ) async throws -> Result {
        let token = CallerToken.make()
        let guest = Guest(digest: SHA256Digest(of: token), caller: caller)
        let application = try await Application(settings, guest: guest, logger: logger)
        let origin = Origin(scheme: .http, host: "127.0.0.1", port: application.address.port ?? 0)
        var endpoint = ServiceEndpoint(url: ZoomConfiguration.ServiceURL(origin: origin, path: ""), token: token)
        endpoint.isRateLimited = { application.hasQueuedRequests(under: caller.master) }
        return try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask {
                try await application.run()
                return nil
            }
            group.addTask { [endpoint] in try await body(endpoint) }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { preconditionFailure("two tasks were added") }
            if let result = first { return result }
            // A signal has ended the service. The command reports how far it got.
            group.cancelAll()
            guard let result = try await group.next() ?? nil else { throw CommandFailure("interrupted") }
            return result
        }
    }

    /// Identifies the source of an export: the URL of the service, the master accounts, or a sandbox.
    ///
    /// - Throws: `ConfigurationProblem` for a credentials file that cannot be used.
    func identity() throws -> [String] {
        switch place {
        case .running(let endpoint):
            let origin = endpoint.url.origin
            return ["service", origin.scheme.rawValue, origin.authority.lowercased(), endpoint.url.path]
        case .embedded(let settings, let caller):
            switch settings.source {
            case .sandbox(let sandbox): return ["sandbox", "\(sandbox.accounts)", "\(sandbox.seed)"]
            case .real(let file):
                let api = settings.zoom.defaults.api
                do throws(FileProblem) {
                    return ["zoom", api.origin.scheme.rawValue, api.origin.authority.lowercased(), api.path]
                        + (try file.read().masters.filter { caller.master == nil || $0.name == caller.master }
                            .map { "\($0.name) \($0.credentials.accountID)" }.sorted())
                } catch {
                    throw ConfigurationProblem(Settings.credentials.file.definition, error)
                }
            }
        }
    }
}
