import Adapters
import Domain
import NIOPosix
import ServiceLifecycle

/// How to call the embedded sandbox, for people.
struct SandboxAccess: Sendable {
    let accounts: SandboxAccounts
    let callerToken: String

    /// The URL of the simulated Zoom.
    let zoom: String
}

/// The master accounts to serve: of the credentials file, or of an embedded sandbox.
struct ZoomSourcePart: ApplicationPart {
    let masters: MasterAccounts
    private let sandbox: EmbeddedSandbox?

    /// nil without an embedded sandbox.
    let access: SandboxAccess?

    /// The caller of an embedded sandbox.
    let guest: Guest?

    /// - Throws: `ConfigurationProblem` for a credentials file that cannot be used.
    init(_ settings: ServeSettings, _ context: ApplicationContext) async throws {
        var defaults = settings.zoom.defaults
        switch settings.source {
        case .real(let file):
            masters = try ConfigurationProblem.naming(Settings.credentials.file) { () throws(FileProblem) in
                let masters = try MasterAccounts(
                    file, defaults: defaults, eventLoop: context.opsGroup.next(), metrics: context.metrics,
                    logger: context.logger)
                guard !masters.names.isEmpty else {
                    throw FileProblem(path: file.file.path, reason: "contains no master account")
                }
                return masters
            }
            (sandbox, access, guest) = (nil, nil, nil)
        case .sandbox(let sandboxSettings):
            let embedded = try await EmbeddedSandbox(
                sandboxSettings, host: "127.0.0.1", port: 0, group: context.group, time: context.time,
                logger: context.logger)
            defaults.api = embedded.api
            defaults.oauth = embedded.oauth
            defaults.plan = ZoomPlan(rawValue: sandboxSettings.limits.rawValue)
            masters = try MasterAccounts(
                embedded.app, defaults: defaults, eventLoop: context.opsGroup.next(), logger: context.logger)
            guard let name = Name("sandbox") else { preconditionFailure("the name is not valid") }
            let token = CallerToken.make()
            guest = Guest(
                digest: SHA256Digest(of: token), caller: Caller(name: name, scopes: Set(Caller.Scope.allCases)))
            access = SandboxAccess(
                accounts: embedded.zoom.accounts, callerToken: token,
                zoom: "http://\(Output.authority(of: embedded.server.address))")
            sandbox = embedded
        }
    }

    var services: [any Service] { sandbox.map { [$0.server] } ?? [] }
}
