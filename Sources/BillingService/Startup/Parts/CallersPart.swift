import Adapters
import Domain
import Logging
import NIOPosix
import ServiceLifecycle

/// The callers of the API.
struct CallersPart: ApplicationPart {
    let directory: KnownCallers
    private let masters: MasterAccounts

    /// - Parameters:
    ///   - guest: A caller that is not in the callers file.
    ///   - masters: The master accounts that callers may use.
    /// - Throws: `ConfigurationProblem` for a callers file that cannot be used, or if other machines could connect although
    ///   there are no callers.
    init(
        _ settings: ServeSettings, guest: Guest?, masters: MasterAccounts, _ context: ApplicationContext
    ) throws(ConfigurationProblem) {
        let file = try ConfigurationProblem.naming(Settings.callers.file) { () throws(FileProblem) in
            try settings.callers.map { callers throws(FileProblem) in
                try ReloadedFile(
                    "callers", files: [callers.file], eventLoop: context.opsGroup.next(), metrics: context.metrics,
                    logger: context.logger
                ) { () throws(FileProblem) in CallerRegistry(try callers.read()) }
            }
        }
        directory = KnownCallers(file: file, guest: guest, time: context.time)
        self.masters = masters
        try check(host: settings.listener.host, context.logger)
    }

    private func check(host: String, _ logger: Logger) throws(ConfigurationProblem) {
        let unusable = directory.withoutMaster(among: masters.names)
        guard unusable.isEmpty else {
            let names = masters.names.sorted().map(\.rawValue).joined(separator: ", ")
            throw ConfigurationProblem(
                lines: unusable.map {
                    "\(Settings.callers.file.key): the \"master\" of \($0) must be one of \(names)"
                })
        }
        guard directory.isEmpty else { return }
        guard Loopback.includes(host) else {
            throw ConfigurationProblem(
                lines: [
                    "\(Settings.http.host.key): \(host) is not loopback, and there are no callers: add one to "
                        + "\(Settings.callers.file.key) (billing-service callers add)"
                ])
        }
        logger.warning("there are no callers: every request will be answered 401")
    }

    var services: [any Service] { directory.file.map { [$0] } ?? [] }

    var checks: [Health.Check] {
        [Health.Check("callers") { [directory, masters] in directory.finding(masters: masters.names) }]
    }
}
