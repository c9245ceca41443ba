import Adapters
import Domain
import Logging
import ServiceLifecycle

/// The clients of Zoom, and the caches of their responses.
struct ZoomPart: ApplicationPart {
    let masters: ZoomMasters
    let accounts: MasterAccounts
    let cache: BillingCache
    let invoiceOwners = InvoiceOwners()
    let moments: StreamMoments
    let lists: AccountListCache
    private let pages: AnswerPages
    private let cacheBytesMax: Int
    private let time: any TimeSource
    private let sharing: AnswerSharing?

    /// - Parameter storesAnswers: Whether cached answers are stored outside of the process.
    init(
        _ settings: ServeSettings, storesAnswers: Bool, _ configuration: ZoomConfiguration, _ source: ZoomSourcePart,
        _ redis: RedisPart, tracer: ServiceTracer,
        _ context: ApplicationContext
    ) {
        var configuration = configuration
        configuration.interactiveTimeMax = settings.interactiveTimeMax
        Self.warnOfShortenedTimes(settings, context.logger)
        accounts = source.masters
        masters = ZoomMasters(
            accounts.file.value.masters, configuration: configuration, credentials: accounts,
            sharedTokens: Self.sharedTokens(settings, redis, context), sharedRates: redis.rates,
            sharedQuotas: redis.client.map { RedisSharedQuotas($0) },
            group: context.group, time: context.time, metrics: context.metrics, tracer: tracer, logger: context.logger)
        // No two processes that store pages use the same numbers.
        pages = AnswerPages(
            rules: settings.cache, firstNumber: .random(in: 0..<1 << 62), recordsChanges: storesAnswers)
        let answers = redis.client.map {
            RedisAnswers($0, keys: settings.stateKeys, sources: source.masters.answerSources)
        }
        let codec = AnswerLines()
        cache = BillingCache(
            source: OwnerRecordingSource(masters, owners: invoiceOwners), time: context.time, rules: settings.cache,
            codec: codec, pages: pages,
            shared: answers.map { [invoiceOwners] in OwnerRecordingAnswers($0, owners: invoiceOwners, codec: codec) },
            callerExecutor: { EventLoopExecutor.current })
        let sharedLists = redis.client.map {
            RedisAccountLists($0, keys: settings.stateKeys, sources: source.masters.answerSources)
        }
        lists = AccountListCache(
            directory: masters, shared: sharedLists, time: context.time, rules: settings.accountLists)
        moments = StreamMoments(isShared: redis.client != nil)
        let (cache, moments) = (cache, moments)
        sharing = answers.flatMap { answers in
            sharedLists.flatMap { AnswerSharing(answers, $0, cache, moments, redis, context) }
        }
        cacheBytesMax = settings.cache.bytesMax
        time = context.time
    }

    /// The access tokens that replicas share: in Redis, in a file, or none.
    private static func sharedTokens(
        _ settings: ServeSettings, _ redis: RedisPart, _ context: ApplicationContext
    ) -> (any SharedTokens)? {
        if let client = redis.client {
            return RedisTokens(client, keys: settings.stateKeys, time: context.time, logger: context.logger)
        }
        return settings.tokens.map { TokensFile($0.file, keys: $0.keys, time: context.time, logger: context.logger) }
    }

    /// The cached answers, as they are stored.
    func storedPages(_ time: any TimeSource) -> CachedPages { CachedPages(pages, time: time) }

    private static func warnOfShortenedTimes(_ settings: ServeSettings, _ logger: Logger) {
        let max = settings.interactiveTimeMax
        for (setting, time) in [
            (Settings.zoom.wait, settings.zoom.wait), (Settings.zoom.retryTime, settings.zoom.retryTime),
        ]
        where time > max {
            logger.warning(
                """
                \(setting.key) exceeds the time that \(Settings.timeouts.request.key) and \(Settings.zoom.timeout.key) \
                leave, and is shortened
                """,
                metadata: [
                    "\(setting.key)": "\(time)", "\(Settings.timeouts.request.key)": "\(settings.requestTimeout)",
                    "left": "\(max)",
                ])
        }
    }

    var services: [any Service] {
        [masters, accounts.file, accounts.follower(masters, cache, lists, invoiceOwners)] + (sharing?.services ?? [])
    }

    var checks: [Health.Check] {
        [
            Health.Check("zoom") { [masters] in masters.finding },
            Health.Check("credentials") { [accounts] in accounts.file.finding },
        ] + (sharing == nil ? [] : [Health.Check("shared-rate") { [masters] in masters.sharedRateFinding }])
    }

    func registerCollectors(in metrics: MetricsRegistry) {
        metrics.collect(from: masters)
        metrics.collect(from: cache, bytesMax: cacheBytesMax)
    }

    func registerStatus(in status: StatusCollector) {
        status.collect(from: masters)
        status.collect(from: cache, pages, lists, bytesMax: cacheBytesMax, time)
    }

    func close() async {
        await cache.close()
        await lists.close()
    }
}
