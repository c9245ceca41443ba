import Adapters
import Domain
import Logging
import ServiceLifecycle

/// The store of the idempotency keys of changes, and of cached answers.
struct StatePart: ApplicationPart {
    let store: any IdempotencyStore

    /// The same store if it is in a file.
    private let file: SQLiteIdempotencyStore?

    /// The same store if it is in Redis.
    private let redis: RedisIdempotencyStore?
    private let pageWriter: PageWriter?

    /// - Parameter isOneShot: Whether the service ends with one command, so that no repeated change can follow a restart.
    /// - Throws: `ConfigurationProblem` for a state file that cannot be used.
    init(
        _ settings: ServeSettings, _ zoom: ZoomPart, _ redis: RedisPart, isOneShot: Bool, _ context: ApplicationContext
    ) throws(ConfigurationProblem) {
        if let client = redis.client {
            let keys = RedisIdempotencyStore(
                client, window: settings.idempotencyWindow, time: context.time, metrics: context.metrics,
                logger: context.logger)
            (self.redis, store, file, pageWriter) = (keys, keys, nil, nil)
            return
        }
        self.redis = nil
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
        pageWriter = isOneShot ? nil : Self.pageWriter(file, opened, settings, zoom, context)
    }

    private static func pageWriter(
        _ file: PrivateFile, _ keys: SQLiteIdempotencyStore, _ settings: ServeSettings, _ zoom: ZoomPart,
        _ context: ApplicationContext
    ) -> PageWriter {
        let answers = AnswersStore(
            stateFile: file, keys: settings.stateKeys, pages: zoom.storedPages(context.time),
            documents: CachedAccountLists(zoom.lists, time: context.time),
            source: { [source = settings.source, accounts = zoom.accounts] in
                SHA256Digest(of: source.identity(accounts))
            },
            rules: settings.answers, time: context.time, metrics: context.metrics, logger: context.logger)
        return PageWriter(answers, time: context.time) { [time = context.time] in
            await keys.lastChanges(at: time.timestamp)
        }
    }

    /// Restores what readers of changes need from their first request on.
    func restoreLists() async { await pageWriter?.restoreLists() }

    var services: [any Service] {
        let keys: [any Service] = redis.map { [$0] } ?? []
        return keys + (pageWriter.map { [$0] } ?? [])
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
            without \(Settings.state.file.key) or \(Settings.state.url.key) the idempotency keys are in memory: a change that \
            is repeated after a restart, or at another replica, is sent again
            """)
    }

    var checks: [Health.Check] {
        if let redis { return [Health.Check("state") { redis.finding }] }
        guard let file else { return [] }
        return [Health.Check("state") { file.finding }]
            + (pageWriter.map { writer in [Health.Check("answers") { writer.finding }] } ?? [])
    }

    func registerStatus(in status: StatusCollector) {
        guard file != nil else { return }
        status.collect { $0.store = .file }
    }

    func close() async {
        await file?.close()
    }
}

extension ServeSettings.ZoomSource {
    /// Whose answers are cached: a sandbox, or the master accounts and where their Zoom is.
    fileprivate func identity(_ accounts: MasterAccounts) -> String {
        switch self {
        case .sandbox(let sandbox): "sandbox \(sandbox.seed) \(sandbox.accounts)"
        case .real:
            accounts.file.value.masters.map {
                "\($0.name) \($0.accountID) \($0.api.origin.authority)\($0.api.path)\n"
            }.sorted().joined()
        }
    }
}
