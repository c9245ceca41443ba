import Adapters
import Domain
import Logging

/// The store of the idempotency keys of changes.
struct StatePart: ApplicationPart {
    let store: any IdempotencyStore

    /// The same store if it is in a file.
    private let file: SQLiteIdempotencyStore?

    /// - Parameter isOneShot: Whether the service ends with one command, so that no repeated change can follow a restart.
    /// - Throws: `ConfigurationProblem` for a state file that cannot be used.
    init(_ settings: ServeSettings, isOneShot: Bool, _ context: ApplicationContext) throws(ConfigurationProblem) {
        guard let file = settings.stateFile else {
            self.file = nil
            store = MemoryIdempotencyStore(window: settings.idempotencyWindow)
            if !isOneShot { Self.warn(settings.source, context.logger) }
            return
        }
        let opened = try ConfigurationProblem.naming(Settings.state.file) { () throws(FileProblem) in
            try SQLiteIdempotencyStore(
                file, window: settings.idempotencyWindow, metrics: context.metrics, logger: context.logger)
        }
        self.file = opened
        store = opened
    }

    /// A sandbox changes no real account, so there it is no reason for a warning.
    private static func warn(_ source: ServeSettings.ZoomSource, _ logger: Logger) {
        let level: Logger.Level =
            switch source {
            case .real: .warning
            case .sandbox: .debug
            }
        logger.log(
            level: level,
            """
            without \(Settings.state.file.key) the idempotency keys are in memory: a change that is repeated after a restart, \
            or at another replica, is sent again
            """)
    }

    var checks: [Health.Check] {
        guard let file else { return [] }
        return [Health.Check("state") { file.finding }]
    }

    func close() async {
        await file?.close()
    }
}
