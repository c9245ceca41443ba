import Adapters
import Domain
import Logging
import ServiceLifecycle

/// The store of the idempotency keys of changes, and of cached answers.
struct StatePart: ApplicationPart {
    let store: any IdempotencyStore

    /// The same store if it is in a file.
    private let file: SQLiteIdempotencyStore?
    private let pageWriter: PageWriter?

    /// - Parameters:
    ///   - pages: The cached answers; nil to store none.
    ///   - isOneShot: Whether the service ends with one command, so that no repeated change can follow a restart.
    /// - Throws: `ConfigurationProblem` for a state file that cannot be used.
    init(
        _ settings: ServeSettings, pages: (any PersistentPages)?, isOneShot: Bool, _ context: ApplicationContext
    ) throws(ConfigurationProblem) {
        guard let file = settings.stateFile else {
            (self.file, pageWriter) = (nil, nil)
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
        pageWriter = isOneShot ? nil : pages.map { Self.pageWriter(of: $0, in: file, opened, settings, context) }
    }

    private static func pageWriter(
        of pages: any PersistentPages, in file: PrivateFile, _ keys: SQLiteIdempotencyStore,
        _ settings: ServeSettings, _ context: ApplicationContext
    ) -> PageWriter {
        let answers = AnswersStore(
            stateFile: file, keys: settings.stateKeys, pages: pages, rules: settings.answers, time: context.time,
            metrics: context.metrics, logger: context.logger)
        return PageWriter(answers, time: context.time) { [time = context.time] in
            await keys.lastChanges(at: time.timestamp)
        }
    }

    var services: [any Service] { pageWriter.map { [$0] } ?? [] }

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
            + (pageWriter.map { writer in [Health.Check("answers") { writer.finding }] } ?? [])
    }

    func close() async {
        await file?.close()
    }
}
