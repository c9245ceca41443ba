import Adapters
import ServiceLifecycle

#if canImport(Glibc)
    import Glibc
#endif

/// The tracer, and the exporter of its spans.
struct TracingPart: ApplicationPart {
    let tracer: ServiceTracer
    private let exporter: SpanExporter?

    /// - Throws: `ConfigurationProblem` if the system has no CA certificates.
    init(_ settings: TraceSettings, _ context: ApplicationContext) throws(ConfigurationProblem) {
        guard let configuration = try settings.exporter() else {
            exporter = nil
            tracer = ServiceTracer(queue: nil, sampleRate: settings.share)
            return
        }
        let queue = SpanQueue(metrics: context.metrics)
        let resource = [
            (name: "service.name", value: "billing-service"), (name: "service.version", value: BuildInfo.version),
            (name: "service.instance.id", value: Self.hostName), (name: "process.pid", value: "\(getpid())"),
        ]
        exporter = SpanExporter(
            queue, configuration, resource: resource, group: context.opsGroup, time: context.time,
            metrics: context.metrics, logger: context.logger)
        tracer = ServiceTracer(queue: queue, sampleRate: settings.share)
    }

    /// The host name of the machine (gethostname(2)).
    private static var hostName: String {
        // HOST_NAME_MAX is 64 on Linux.
        var name = [CChar](repeating: 0, count: 65)
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        return SystemText.text { name[$0] }
    }

    var services: [any Service] { exporter.map { [$0] } ?? [] }
}
