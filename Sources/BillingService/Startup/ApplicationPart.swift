import Adapters
import Logging
import NIOPosix
import ServiceLifecycle

/// A part of the application, built from the settings.
protocol ApplicationPart: Sendable {
    /// The services to run, in the order of their start. They are stopped in reverse order.
    var services: [any Service] { get }

    /// The checks that the part adds to `/readyz`.
    var checks: [Health.Check] { get }

    /// Registers the metrics that are read only when metrics are requested.
    func registerCollectors(in metrics: MetricsRegistry)

    /// Registers what the part shows on the operator's page.
    func registerStatus(in status: StatusCollector)
}

extension ApplicationPart {
    var services: [any Service] { [] }
    var checks: [Health.Check] { [] }
    func registerCollectors(in metrics: MetricsRegistry) {}
    func registerStatus(in status: StatusCollector) {}
}

/// The resources that all parts of the application share.
struct ApplicationContext: Sendable {
    let time: SystemTime
    let metrics: MetricsRegistry
    let status: StatusCollector

    /// The event loops of clients and of Zoom.
    let group: MultiThreadedEventLoopGroup

    /// The event loop of probes, which respond even if all other event loops are busy.
    let opsGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let logger: Logger

    init(group: MultiThreadedEventLoopGroup, logger: Logger) {
        time = SystemTime()
        metrics = MetricsRegistry()
        status = StatusCollector(metrics: metrics, time: time)
        self.group = group
        self.logger = logger
    }
}
