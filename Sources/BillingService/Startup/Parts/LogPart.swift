import Adapters
import NIOPosix
import ServiceLifecycle

/// The log, and the control of its level.
struct LogPart: ApplicationPart {
    private let control: LogLevelControl

    init(_ settings: LogSettings, levelInFile: LogLevelControl.File?, _ context: ApplicationContext) {
        control = LogLevelControl(
            output: Output.log, configured: settings.level, configuration: levelInFile,
            eventLoop: context.opsGroup.next(), metrics: context.metrics, logger: context.logger)
    }

    var services: [any Service] { [control] }

    func registerCollectors(in metrics: MetricsRegistry) {
        metrics.collect(from: Output.log)
    }
}
