import Adapters
import Logging
import Metrics
import NIOPosix

extension ServerCertificate {
    /// - Parameter setting: Blamed for files that cannot be used.
    static func read(
        _ files: Files, naming setting: Setting, _ group: MultiThreadedEventLoopGroup,
        _ metrics: any MetricsFactory, _ logger: Logger
    ) throws(ConfigurationProblem) -> ServerCertificate {
        do throws(TLSFailure) {
            return try ServerCertificate(files, eventLoop: group.next(), metrics: metrics, logger: logger)
        } catch {
            throw ConfigurationProblem(lines: ["\(setting.key): \(error)"])
        }
    }
}
