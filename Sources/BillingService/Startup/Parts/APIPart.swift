import Adapters
import Domain
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// The API listener and its routes.
struct APIPart: ApplicationPart {
    private let server: HTTPServer
    private let memoryTrimmer: MemoryTrimmer
    private let streams: OpenStreams
    private let failures: RecentFailures

    var address: SocketAddress { server.address }

    /// - Parameters:
    ///   - isAudited: Whether exports and changes are written to the audit log. A one-shot command needs no audit.
    ///   - certificate: nil to serve in clear text.
    /// - Throws: `ConfigurationProblem` if the listener cannot be opened.
    init(
        _ settings: ServeSettings, zoom: ZoomPart, writes: WritesPart, callers: KnownCallers, isAudited: Bool,
        certificate: ServerCertificate?, tracer: ServiceTracer, health: Health, _ context: ApplicationContext
    ) async throws {
        let (listener, logger, metrics) = (settings.listener, context.logger, context.metrics)
        var rules = ExportBilling.Rules()
        rules.windowMax = settings.exportWindow
        streams = OpenStreams(time: context.time)
        failures = RecentFailures(time: context.time)
        let defences = DefenceLog(logger: logger, metrics: metrics)
        let router = Router(
            readAccount: ReadAccount(cache: zoom.cache),
            listAccounts: ListAccounts(lists: zoom.lists, directory: zoom.masters, time: context.time),
            exportBilling: ExportBilling(
                lists: zoom.lists, cache: zoom.cache, source: zoom.masters, time: context.time, rules: rules,
                moments: zoom.moments),
            openInvoiceFile: OpenInvoiceFile(source: zoom.masters, owners: zoom.invoiceOwners),
            writeAccount: writes.writeAccount, writeRules: writes.rules, callers: callers,
            audit: AuditLog(
                logger: isAudited ? Output.auditLogger() : Logger(label: "none") { _ in SwiftLogNoOpLogHandler() }),
            accessLog: AccessLog(share: settings.accessSample, logger: logger, metrics: metrics),
            trustedProxies: listener.trustedProxies, forwardedField: listener.forwardedField,
            guesses: listener.callerFailures, defences: defences,
            answerTimeMax: listener.configuration.timeouts.request, streams: streams, failures: failures,
            time: context.time, metrics: metrics,
            tracer: tracer, logger: logger)
        var configuration = listener.configuration
        configuration.tls = certificate
        server = try await ConfigurationProblem.naming(host: Settings.http.host, port: Settings.http.port) {
            [configuration] in
            try await HTTPServer(
                host: listener.host, port: listener.port, group: context.group, handler: router,
                configuration: configuration, logger: logger, defences: defences,
                shutdownBegan: { health.shutdownBegan() })
        }
        memoryTrimmer = MemoryTrimmer(load: server.load, eventLoop: context.opsGroup.next())
    }

    var services: [any Service] { [memoryTrimmer, server] }

    func registerCollectors(in metrics: MetricsRegistry) {
        metrics.collect(from: server.load)
    }

    func registerStatus(in status: StatusCollector) {
        status.collect(from: server.load)
        status.collect { [streams, failures] status in
            status.streams = streams.statuses
            status.failures = failures.newestFirst
        }
        status.eachSecond { [streams] in streams.read(at: $0) }
    }
}
