import Adapters
import Logging
import Metrics
import NIOPosix

extension ServerCertificate {
    /// - Parameter settings: Those that name the files.
    /// - Throws: A problem with the setting of the file that cannot be used.
    static func read(
        _ files: Files, naming settings: (certificate: Setting, key: Setting, clientCA: Setting),
        _ group: MultiThreadedEventLoopGroup, _ metrics: any MetricsFactory, _ logger: Logger
    ) throws(ConfigurationProblem) -> ServerCertificate {
        do throws(TLSFailure) {
            return try ServerCertificate(files, eventLoop: group.next(), metrics: metrics, logger: logger)
        } catch {
            let setting =
                switch error.file {
                case .key: settings.key
                case .trust: settings.clientCA
                case .certificate, nil: settings.certificate
                }
            throw ConfigurationProblem(lines: ["\(setting.key): \(error)"])
        }
    }
}
